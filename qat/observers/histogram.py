"""A histogram that grows with the range of its values, never with the number of images.

Bins lie evenly over [-2**exponent, 2**exponent). When a value falls outside, the exponent grows and neighbouring bins
merge pairwise: exact, so the result doesn't depend on how the data came in pieces.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

BINS = 8192
TINY = 2.0**-100  # below it everything counts as zero; the reciprocal of a bin's width stays finite in float32
_CHUNK = 1 << 23  # float32 counts of one call stay exact integers


def exponent_of(amax: float) -> int:
    """The smallest exponent with `amax` < 2**exponent.

    >>> exponent_of(1.0), exponent_of(1.5), exponent_of(0.0)
    (1, 1, -99)
    """
    return math.frexp(max(amax, TINY))[1]


def count(x: Tensor, exponent: int) -> Tensor:
    """Counts (BINS,) float64 of the values of `x` (any shape, |x| < 2**exponent) over the span 2**exponent."""
    half = BINS // 2
    factor, values = half / 2.0**exponent, _flat(x)  # the product is exact: the factor is a power of two
    if factor < 1:  # in float32 a small product would underflow: a negative one then counts in the bin above zero
        values = values.double()
    index = (values * factor).floor_().clamp_(-half, half - 1)
    if x.device.type != "cpu":
        return torch.bincount(index.long() + half, minlength=BINS).double()
    counts = np.zeros(BINS)
    for chunk in index.to(torch.int16).add_(half).split(_CHUNK):
        row = chunk.numpy().view(np.uint16).reshape(1, -1)
        counts += cv2.calcHist([row], [0], None, [BINS], [0, BINS]).reshape(-1)
    return torch.from_numpy(counts)


def _flat(x: Tensor) -> Tensor:
    """The values in memory order, without a copy where strides allow (channels_last)."""
    dense = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
    return (dense if dense.is_contiguous() else x.contiguous()).reshape(-1).float()


def grow(counts: Tensor, exponent: int, wanted: int) -> Tensor:
    """The same counts (..., BINS) over the wider span 2**wanted: each step merges pairs of bins around the centre.

    >>> grow(torch.ones(BINS), 0, 1).sum().item() == BINS
    True
    """
    for _ in range(min(wanted - exponent, BINS.bit_length())):
        pairs = counts.unflatten(-1, (-1, 2)).sum(-1)
        counts = torch.zeros_like(counts)
        counts[..., BINS // 4 : BINS // 4 + BINS // 2] = pairs
    return counts


def centres(exponent: int) -> Tensor:
    """The bins' middle values (BINS,) float64."""
    width = 2.0**exponent / (BINS // 2)
    return (torch.arange(BINS, dtype=torch.float64) - BINS // 2 + 0.5) * width
