"""A library's error becomes one line; what a library prints stays out of the way."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from qat.errors import UserError


@contextmanager
def blamed(what: str, hint: str = "") -> Iterator[None]:
    """Any error in the block, other than UserError, becomes the UserError "`what`: reason; `hint`"."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own classes of error
        raise UserError(f"{what}: {reason(str(error)) or type(error).__name__}" + (hint and f"; {hint}")) from error


def reason(text: str) -> str:
    """The line of an error's text that says something.

    >>> reason("Exception from src/inference/src/core.cpp:93:\\nCheck 'ok' failed at x.cpp:3:\\nshapes differ\\n")
    "Check 'ok' failed at x.cpp:3: shapes differ"
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("The following operation failed"):  # TorchScript: the cause comes last
        return lines[-1]
    telling = [line for line in lines if not line.startswith("Exception from")] or lines
    return " ".join(telling[:2]) if telling and telling[0].endswith(":") else "".join(telling[:1])


@contextmanager
def quiet() -> Iterator[IO[str]]:
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
