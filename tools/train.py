"""`rtseg-qat train`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
