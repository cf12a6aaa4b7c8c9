"""`rtseg-qat demo`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
