"""From statistics to a quantisation range (low, high): min_max, percentile, mse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qat.ptq.histogram import centres

CANDIDATES = 128
ROUNDS = 3


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
    return max(scale, torch.finfo(torch.float32).eps)


@dataclass(frozen=True)
class Statistics:
    """What an observer saw: extremes, and bin counts over [-2**exponent, 2**exponent]."""

    low: float
    high: float
    counts: Tensor
    exponent: int


def min_max(seen: Statistics, grid: Grid) -> tuple[float, float]:
    """The extremes themselves."""
    return seen.low, seen.high


def percentile(seen: Statistics, grid: Grid, share: float = 99.99) -> tuple[float, float]:
    """The range that holds `share` per cent of the values: of |x| when symmetric, else cut at both ends."""
    if grid.symmetric:
        half = len(seen.counts) // 2
        magnitude = seen.counts[half:] + seen.counts[:half].flip(0)
        edge = _quantile(magnitude, share) * 2.0**seen.exponent
        return max(seen.low, -edge), min(seen.high, edge)
    low = (1 - 2 * _quantile(seen.counts.flip(0), share)) * 2.0**seen.exponent
    high = (2 * _quantile(seen.counts, share) - 1) * 2.0**seen.exponent
    return max(seen.low, low), min(seen.high, high)


def _quantile(counts: Tensor, share: float) -> float:
    """Position in 0..1 of the upper edge of the bin in which the running sum reaches `share` per cent."""
    total = counts.cumsum(0)
    index = int(torch.searchsorted(total, total[-1] * (share / 100)))
    return min(index + 1, len(counts)) / len(counts)


def mse(seen: Statistics, grid: Grid) -> tuple[float, float]:
    """The range whose quantised values differ least from the values, in squared error over the histogram.

    Symmetric: a line search over the threshold. Affine: both ends in turn, `ROUNDS` times.
    """
    used = seen.counts > 0
    values, counts = centres(seen.exponent)[used], seen.counts[used]
    shrink = torch.linspace(1 / CANDIDATES, 1, CANDIDATES, dtype=torch.float64)

    def best(ranges: list[tuple[float, float]]) -> tuple[float, float]:
        return ranges[int(_errors(values, counts, ranges, grid).argmin())]

    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if grid.symmetric:
        return best([(low * s, high * s) for s in shrink.tolist()])
    start = (low, high)
    for _ in range(ROUNDS):
        low, high = best([(start[0] * s, high) for s in shrink.tolist()])
        low, high = best([(low, start[1] * s) for s in shrink.tolist()])
    return low, high


def _errors(values: Tensor, counts: Tensor, ranges: list[tuple[float, float]], grid: Grid) -> Tensor:
    qparams = torch.tensor([grid.qparams(*r) for r in ranges], dtype=torch.float64)
    scale, zero = qparams[:, :1], qparams[:, 1:]
    levels = torch.clamp(torch.round(values / scale) + zero, grid.low, grid.high)
    return ((levels - zero) * scale - values).square_() @ counts


RANGES: dict[str, Callable[..., tuple[float, float]]] = {"min_max": min_max, "percentile": percentile, "mse": mse}
