"""`rtseg-qat board`."""

from qat.cli.entry import script

if __name__ == "__main__":
    script("board")
