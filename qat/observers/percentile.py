"""The range that holds a share of the values: a given share, or the one of least squared error."""

from __future__ import annotations

import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics
from qat.observers.line_search import Range
from qat.observers.mse import squared_errors


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
