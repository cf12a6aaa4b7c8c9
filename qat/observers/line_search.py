"""A search for the range of least cost among shrunken extremes, for any cost of a range."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics

STEPS = 128
ROUNDS = 3
Range = tuple[float, float]


def least(seen: Statistics, grid: Grid, costs: Callable[[Sequence[Range]], Tensor]) -> Range:
    """The cheapest of `STEPS` shrunken ranges; `costs` gives one number a range, and the first of equals wins.

    Symmetric: a line search over the threshold. Affine: both ends in turn, `ROUNDS` times.
    """
    shares = torch.linspace(1 / STEPS, 1, STEPS, dtype=torch.float64).tolist()

    def best(ranges: list[Range]) -> Range:
        return ranges[int(costs(ranges).argmin())]

    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if grid.symmetric:
        return best([(low * share, high * share) for share in shares])
    start = (low, high)
    for _ in range(ROUNDS):
        low, high = best([(start[0] * share, high) for share in shares])
        low, high = best([(low, start[1] * share) for share in shares])
    return low, high
