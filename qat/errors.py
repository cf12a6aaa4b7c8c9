"""The one exception that a user's mistake raises."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user gave: one line that says what, where, what was expected and how to fix it.

    The tools print it and exit with code 2; a library caller can catch it.
    """


def nearest(wrong: str, right: Iterable[str]) -> str:
    """Text that names the closest right spelling of `wrong`, for the end of an error line.

    >>> nearest("QUANT.SCHEM", ["QUANT.SCHEME", "QUANT.TARGET"])
    'did you mean QUANT.SCHEME?'
    >>> nearest("zzz", ["x86", "j5"])
    'expected one of: x86, j5'
    """
    options = list(right)
    close = difflib.get_close_matches(wrong, options, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"expected one of: {', '.join(options)}"
