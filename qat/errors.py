"""UserError, the exception for a user's mistake, and how other errors become it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A user's mistake: one line that says what, where, what was expected and how to fix it.

    The tools print it and exit with code 2; a library caller can catch it.

    Example:
        >>> import qat
        >>> try:
        ...     qat.load_checkpoint(qat.build_model("pidnet_s", num_classes=19), "none.pt")
        ... except qat.UserError as error:
        ...     print(error)
        no checkpoint at none.pt; set TEST.MODEL_FILE to a .pt, .pth or .safetensors file
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


@contextmanager
def as_user_error(what: str, hint: str = "") -> Iterator[None]:
    """Turns any other error of the block into the UserError "`what`: reason; `hint`"."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own classes of error
        raise UserError(f"{what}: {reason(str(error)) or type(error).__name__}" + (hint and f"; {hint}")) from error


def reason(text: str) -> str:
    """Returns the line of an error's text that states the cause.

    >>> reason("Exception from src/inference/src/core.cpp:93:\\nCheck 'ok' failed at x.cpp:3:\\nshapes differ\\n")
    "Check 'ok' failed at x.cpp:3: shapes differ"
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("The following operation failed"):  # TorchScript: the cause comes last
        return lines[-1]
    telling = [line for line in lines if not line.startswith("Exception from")] or lines
    return " ".join(telling[:2]) if telling and telling[0].endswith(":") else "".join(telling[:1])
