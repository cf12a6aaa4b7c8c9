"""`rtseg-qat bench`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
