"""UserError, the exception for a user's mistake, and how other errors become it."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "Insufficient memory")


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
        said = quoted(reason(str(error))) or type(error).__name__
        raise UserError(f"{what}: {said}" + (hint and f"; {hint}")) from error


def quoted(text: str, most: int = 200) -> str:
    """Returns what others said in one line of at most `most` printable characters.

    >>> quoted("first\\n\\x1b[31msecond ", most=12)
    'first [31...'
    """
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def wants_memory(error: BaseException) -> bool:
    """Whether an error of Python, numpy, torch or OpenCV says that there isn't enough memory.

    >>> wants_memory(MemoryError()), wants_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    (True, True)
    """
    return isinstance(error, MemoryError) or any(mark in str(error) for mark in _NO_MEMORY)


def refused_by_disk(error: BaseException) -> bool:
    """Whether an error of the system says that a disk is full or takes no files.

    >>> refused_by_disk(OSError(28, "No space left on device")), refused_by_disk(OSError(2, "No such file"))
    (True, False)
    """
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


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
