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
    name = close(wrong, options)
    return f"did you mean {name}?" if name else f"expected one of: {', '.join(options)}"


def close(wrong: str, right: Iterable[str]) -> str:
    """The closest right spelling of `wrong`; "" if none is close.

    >>> close("pidnet", ["pidnet_s", "ddrnet"])
    'pidnet_s'
    """
    return next(iter(difflib.get_close_matches(wrong, list(right), n=1)), "")
