"""`python -m qat.deploy MODEL INPUT`: pictures of what a file finds; `--bench` times it."""

from __future__ import annotations

import sys

from qat.deploy.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
