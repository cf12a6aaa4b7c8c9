"""The observers by name: each goes from statistics to a range (low, high), and `auto` compares them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics
from qat.observers.kl import kl
from qat.observers.line_search import Range
from qat.observers.mse import mse, squared_errors


def min_max(seen: Statistics, grid: Grid) -> tuple[float, float]:
    """The range from the lowest to the highest value."""
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


# the plugin's documents don't list its percentiles; these cut from one value in a hundred to none
SHARES = (99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999, 99.9995, 99.9999, 100.0)


def mix(seen: Statistics, grid: Grid) -> Range:
    """The range with the best L2 error among the percentiles `SHARES`; the narrowest where several are equal."""
    ranges = [percentile(seen, grid, share) for share in SHARES]
    return ranges[int(squared_errors(seen, ranges, grid).argmin())]


RANGES: dict[str, Callable[..., tuple[float, float]]] = {
    "min_max": min_max,
    "percentile": percentile,
    "mse": mse,
    "kl": kl,
    "mix": mix,
}


AUTO = "auto"
OBSERVERS = (*RANGES, AUTO)
PERCENTILES = (99.9, 99.99, 99.999)
AVERAGING = (None, 0.01, 0.1)  # 0.01 is the plugin's own constant


@dataclass(frozen=True)
class Candidate:
    """An observer: its method, its share where the method is percentile, its averaging constant."""

    method: str
    percentile: float | None = None
    averaging: float | None = None

    @property
    def label(self) -> str:
        """The observer's name, with its share.

        >>> Candidate("percentile", 99.99, 0.1).label
        'percentile 99.99'
        """
        return self.method if self.percentile is None else f"{self.method} {self.percentile}"

    def range(self, seen: Statistics, grid: Grid) -> tuple[float, float]:
        """The range of real values that the observer chooses."""
        chooser = RANGES[self.method]
        return chooser(seen, grid) if self.percentile is None else chooser(seen, grid, self.percentile)


def candidates(method: str, percentile: float, averaging: float | None) -> tuple[Candidate, ...]:
    """The observers that `method` allows: one for its own name; for auto all, also with this percentile and constant.

    Among equals `auto` takes the first: min_max, with all batches weighing the same.
    """
    if method != AUTO:
        return (Candidate(method, percentile if method == "percentile" else None, averaging),)
    shares = sorted({*PERCENTILES, percentile})
    return tuple(
        Candidate(name, share, constant)
        for constant in dict.fromkeys((*AVERAGING, averaging))
        for name in RANGES
        for share in (shares if name == "percentile" else [None])
    )
