"""What every page shares: one way of filling in templates, one style sheet, the scales of charts."""

from __future__ import annotations

import math
from functools import lru_cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

SHARED = "qat.html"


@lru_cache
def templates(package: str) -> Environment:
    """The templates in `package`'s folder templates/, beside those that all pages share: escaped, every name known."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(SHARED)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment


def tick_step(longest: float, ticks: int = 8) -> float:
    """The smallest of 1, 2, 5 times a power of ten with at most `ticks` steps up to `longest`.

    >>> tick_step(73.8), tick_step(0.9), tick_step(16)
    (10.0, 0.2, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(longest / ticks))
    return next(step * power for step in (1, 2, 5, 10) if step * power * ticks >= longest)
