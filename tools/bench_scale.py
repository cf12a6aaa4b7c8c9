"""`rtseg-qat bench-scale`."""

from qat.cli.entry import script

if __name__ == "__main__":
    script("bench-scale")
