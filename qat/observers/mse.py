"""The range whose quantised values differ least from the values, in squared error over the histogram."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics
from qat.observers.histogram import centres
from qat.observers.line_search import Range, least


def mse(seen: Statistics, grid: Grid) -> Range:
    """The range of least squared error (the L2 criterion of Choukroun et al., ICCV workshops 2019)."""
    return least(seen, grid, lambda ranges: squared_errors(seen, ranges, grid))


def squared_errors(seen: Statistics, ranges: Sequence[Range], grid: Grid) -> Tensor:
    """Sum of count * (quantised - value)**2 for each of `ranges`, float64.

    The values of one level lie side by side, so each level's share comes from running sums of 1, v and v**2: the work
    of a range is that of its levels, not of the histogram's bins.
    """
    used = seen.counts > 0
    values, counts = centres(seen.exponent)[used], seen.counts[used]
    qparams = torch.tensor([grid.qparams(*r) for r in ranges], dtype=torch.float64)
    scale, zero = qparams[:, :1], qparams[:, 1:]
    levels = torch.arange(grid.low, grid.high + 1, dtype=torch.float64) - zero
    ends = _level_ends(values, (levels[:, :-1] + 0.5) * scale)
    number, total, squares = (_between(counts * values**power, ends) for power in range(3))
    rounded = levels * scale
    return (squares - 2 * rounded * total + rounded.square() * number).sum(1)


def _level_ends(values: Tensor, edges: Tensor) -> Tensor:
    """Where each level begins and ends in the sorted `values`: (ranges, levels + 1) positions."""
    inner = torch.searchsorted(values, edges)
    return torch.nn.functional.pad(torch.nn.functional.pad(inner, (1, 0)), (0, 1), value=len(values))


def _between(summands: Tensor, ends: Tensor) -> Tensor:
    running = torch.nn.functional.pad(summands.cumsum(0), (1, 0))
    return running[ends].diff(dim=1)
