"""`rtseg-qat infer`."""

import sys

from qat.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["infer", *sys.argv[1:]]))
