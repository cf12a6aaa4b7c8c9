"""What libraries print, kept away from the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def captured_output() -> Iterator[IO[str]]:
    """Send what libraries write to stdout and stderr, also from C++, to a file that the block may read afterwards."""
    with tempfile.TemporaryFile("w+", errors="replace") as kept:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [os.dup(1), os.dup(2)]
        try:
            os.dup2(kept.fileno(), 1)
            os.dup2(kept.fileno(), 2)
            yield kept
        finally:
            for stream, copy in enumerate(saved, start=1):
                os.dup2(copy, stream)
                os.close(copy)
