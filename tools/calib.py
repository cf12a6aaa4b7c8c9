"""`rtseg-qat calib`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["calib", *sys.argv[1:]]))
