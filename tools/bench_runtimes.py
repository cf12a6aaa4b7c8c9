"""`rtseg-qat bench-runtimes`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["bench-runtimes", *sys.argv[1:]]))
