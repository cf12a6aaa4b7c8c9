"""The scales of charts."""

from __future__ import annotations

import math


def tick_step(longest: float, ticks: int = 8) -> float:
    """The smallest of 1, 2, 5 times a power of ten with at most `ticks` steps up to `longest`.

    >>> tick_step(73.8), tick_step(0.9), tick_step(16)
    (10.0, 0.2, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(longest / ticks))
    return next(step * power for step in (1, 2, 5, 10) if step * power * ticks >= longest)
