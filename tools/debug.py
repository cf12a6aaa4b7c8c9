"""`rtseg-qat debug`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["debug", *sys.argv[1:]]))
