"""Which processor to quantise for; must be set before prepare."""

from __future__ import annotations

from enum import Enum


class March(Enum):
    BERNOULLI = "bernoulli"
    BERNOULLI2 = "bernoulli2"
    BAYES = "bayes"
    BAYES_E = "bayes-e"


_current: list[March] = []


def set_march(march: March | str) -> None:
    _current[:] = [March(march)]


def get_march() -> March:
    if not _current:
        raise RuntimeError("march is not set: call set_march(March.BAYES) first")
    return _current[0]


def forget() -> None:
    """Not the plugin's: back to the state of a fresh process, for tests."""
    _current.clear()
