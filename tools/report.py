"""`rtseg-qat report`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
