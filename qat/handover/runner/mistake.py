"""What a person can mend: one line, and exit code 2."""

from __future__ import annotations

from typing import Any, Callable


class Mistake(Exception):
    """One line that says what, where, what was expected and how to fix it."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text that isn't empty; its class where it has none.

    >>> first_line(ValueError("\\nno such scale\\nmore"))
    'no such scale'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def called(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """What `function` of the plugin gives; whatever it raises becomes a Mistake that names it."""
    try:
        return function(*args, **keywords)
    except Mistake:
        raise
    except Exception as error:  # the plugin and its compiler raise what they like
        name = getattr(function, "__name__", str(function))
        raise Mistake(f"the plugin's {name} raised {type(error).__name__}: {first_line(error)}") from error
