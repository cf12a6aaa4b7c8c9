"""`rtseg-qat bench-threads`."""

from qat.cli.entry import script

if __name__ == "__main__":
    script("bench-threads")
