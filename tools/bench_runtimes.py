"""`rtseg-qat bench-runtimes`."""

from qat.cli.entry import script

if __name__ == "__main__":
    script("bench-runtimes")
