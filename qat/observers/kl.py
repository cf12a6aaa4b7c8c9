"""The range whose levels keep the distribution's shape best: least Kullback-Leibler divergence.

Migacz, 8-bit Inference with TensorRT (GTC 2017), for any grid: P is the histogram inside the range, with the clipped
values added to its outermost bins; Q is the histogram inside the range, each level's count spread evenly over its
bins that aren't empty.

The divergence knows no distances: values clipped onto a peak cost next to nothing. (A white sky's blue, clipped onto
green's white in the network's input, took a picture of CamVid from 28 to 6 dB in PIDNet-S.) So no range clips more than
the share `CLIPPED`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.observers.grid import Grid, Statistics
from qat.observers.histogram import BINS, centres
from qat.observers.line_search import Range, least

CLIPPED = 0.001  # of the values away from zero
Array = NDArray[np.float64]


def kl(seen: Statistics, grid: Grid) -> Range:
    """The range of least divergence; the narrowest where several are equal."""
    kept = _without_peak(seen.counts)
    used = kept > 0
    values, counts = centres(seen.exponent)[used].numpy(), kept[used].numpy()

    def costs(ranges: Sequence[Range]) -> Tensor:
        return torch.tensor([_divergence(values, counts, *grid.qparams(*r), grid) for r in ranges])

    return least(seen, grid, costs)


def _without_peak(counts: Tensor) -> Tensor:
    """Zero is a level of every grid, so a peak there says nothing: its two bins get no more than their neighbours.

    Otherwise ReLU's zeros, or the output of a gate that is mostly shut, would draw the whole range to themselves.
    """
    counts, zero = counts.clone(), BINS // 2
    for middle, neighbour in ((zero, zero + 1), (zero - 1, zero - 2)):
        counts[middle] = torch.minimum(counts[middle], counts[neighbour])
    return counts


def _divergence(values: Array, counts: Array, scale: float, zero: int, grid: Grid) -> float:
    """KL(P || Q) in nats of sorted bin `values` and their `counts`, none of them 0; infinite if too much is clipped."""
    level = np.rint(values / scale) + (zero - grid.low)
    first, end = np.searchsorted(level, [0, grid.high - grid.low + 1])
    below, above = counts[:first].sum(), counts[end:].sum()
    if first == end or below + above > CLIPPED * counts.sum():
        return np.inf
    inside, level = counts[first:end], level[first:end].astype(np.intp)
    p = inside.copy()
    p[0] += below
    p[-1] += above
    q = (np.bincount(level, inside) / np.maximum(np.bincount(level), 1))[level]
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum(p * np.log(p / q)))
