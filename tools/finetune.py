"""`rtseg-qat qat`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["qat", *sys.argv[1:]]))
