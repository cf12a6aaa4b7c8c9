"""`rtseg-qat j5-perf`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["j5-perf", *sys.argv[1:]]))
