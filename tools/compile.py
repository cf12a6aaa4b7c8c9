"""`rtseg-qat compile`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["compile", *sys.argv[1:]]))
