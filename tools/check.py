"""`rtseg-qat check`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["check", *sys.argv[1:]]))
