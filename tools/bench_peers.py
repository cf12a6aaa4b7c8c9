"""`rtseg-qat bench-peers`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["bench-peers", *sys.argv[1:]]))
