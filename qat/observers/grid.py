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


def round_to_grid(x: Tensor, scale: Tensor | float, zero_point: Tensor | int, low: int, high: int) -> Tensor:
    """`x` on the integers `low` to `high`, times `scale`; a gradient passes where nothing is clipped.

    Bit for bit `torch.fake_quantize_per_tensor_affine`, whose kernel takes ten times as long on a CPU; but NaN stays.

    >>> round_to_grid(torch.tensor([-0.3, 0.3, 9.0]), 0.5, 0, 0, 10)
    tensor([0.0000, 0.5000, 5.0000])
    """
    scale = torch.as_tensor(scale, dtype=torch.float32, device=x.device)
    if not x.is_cpu or (x.requires_grad and torch.is_grad_enabled()):
        zero_point = torch.as_tensor(zero_point, dtype=torch.int32, device=x.device)
        return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high)
    levels = (x * (1 / scale)).round_().add_(zero_point)
    return levels.clamp_(low, high).sub_(zero_point).mul_(scale)


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
