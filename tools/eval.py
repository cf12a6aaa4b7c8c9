"""`rtseg-qat eval`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["eval", *sys.argv[1:]]))
