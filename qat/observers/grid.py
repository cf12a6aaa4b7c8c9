"""The inputs of a range chooser: the integers to fill, and the statistics of an observer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 2.0**-63  # of all scales: the product of two is a normal float32 yet, and so is its reciprocal
EMPTY = torch.finfo(torch.float32).eps  # the scale of nothing but zeros


@dataclass(frozen=True)
class Grid:
    """An activation's integers: quint8, of which `high` - `low` + 1 levels are used; symmetric fixes the zero point."""

    low: int
    high: int
    symmetric: bool

    def qparams(self, low: float, high: float) -> tuple[float, int]:
        """Scale and zero point that put the real range [low, high] (0 is always in it) on the integers.

        Symmetric: the zero point lies in the middle (J5's grid of -128 .. 127) and nothing in the range is clipped;
        torch.ao's max(|low|, |high|) / 127.5 clips a positive maximum by half a step.

        >>> Grid(0, 255, True).qparams(-1.0, 127.0)
        (1.0, 128)
        >>> Grid(0, 255, False).qparams(-1.0, 254.0)
        (1.0, 1)
        """
        low, high = min(low, 0.0), max(high, 0.0)
        levels = self.high - self.low
        if self.symmetric:
            zero = (self.low + self.high + 1) // 2
            return _positive(max(-low / (zero - self.low), high / (self.high - zero))), zero
        scale = _positive((high - low) / levels)
        return scale, min(max(self.low - round(low / scale), self.low), self.high)


def _positive(scale: float) -> float:
    """`scale`, if float32 can work with it; EMPTY for the range of a tensor that is 0 everywhere."""
    return max(scale, LEAST) if scale > 0 else EMPTY


@dataclass(frozen=True)
class Statistics:
    """What an observer saw: extremes, and bin counts over [-2**exponent, 2**exponent]."""

    low: float
    high: float
    counts: Tensor
    exponent: int
