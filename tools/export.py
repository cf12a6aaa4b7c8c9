"""`rtseg-qat export`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
