"""`rtseg-qat eval`."""

from qat.cli.entry import script

if __name__ == "__main__":
    script("eval")
