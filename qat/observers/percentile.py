"""The range that holds a share of the values."""

from __future__ import annotations

import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics


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
