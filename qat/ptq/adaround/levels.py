"""The levels of least error: a quadratic form, descended on the levels themselves.

One input of all outputs at a time (QuantEase, Behdin et al. 2023, arXiv:2309.01885), from a start that hands each
weight's rounding error on to the next ones (GPTQ, Frantar et al. 2022, arXiv:2210.17323). That start is Babai's nearest
plane (Chen et al. 2025, arXiv:2507.18553), so that one triangular factor does, and nothing is inverted.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.observers.weights import HIGH, LOW

BLOCK = 32  # inputs whose effect on the others is added up before it is applied
SETTLED = 1e-3  # share of the levels that still move in the last pass


def best_levels(real: Tensor, xx: Tensor, sweeps: int) -> Tensor:
    """Levels near `real`, of least error.

    Args:
        real: weights in units of their levels (groups, weights of an output, outputs).
        xx: the inputs' moments (groups, weights, weights), positive definite; float64.
        sweeps: most passes over the weights.

    Returns:
        Whole numbers of the weights' grid, in the shape of `real`, float32.
    """
    order = xx.diagonal(dim1=1, dim2=2).argsort(descending=True)
    ordered = xx.gather(1, order[..., None].expand_as(xx)).gather(2, order[:, None].expand_as(xx))
    places = order[..., None].expand_as(real)
    weights = real.float().gather(1, places)
    levels = descend(feedback(weights, ordered), weights, ordered, sweeps)
    return torch.empty_like(levels).scatter_(1, places, levels)


def feedback(real: Tensor, xx: Tensor) -> Tensor:
    """Levels (g, d, o) near `real`: inputs are rounded in order, and each error is made up for by those that follow.

    What follows is free to take any real value then: with xx = MT M of a lower triangular M the error is the square of
    M (real - levels), whose row i the inputs up to i decide.
    """
    factor = torch.linalg.cholesky(xx.flip(1, 2)).mT.flip(1, 2)
    residual = torch.zeros_like(real)
    _sweep(real, residual, _pull(factor))
    return (real - residual).round_()


def descend(levels: Tensor, real: Tensor, xx: Tensor, sweeps: int) -> Tensor:
    """Levels (g, d, o) from which hardly a step of one weight lowers the error further, or after `sweeps` passes."""
    residual, pull = real - levels, _pull(xx)
    for _ in range(sweeps):
        if _sweep(real, residual, pull) <= SETTLED * real.numel():
            break
    return (real - residual).round_()


def _pull(rows: Tensor) -> Tensor:
    """How far each input's best value is moved by an error of the others: rows over their diagonal, without it."""
    pull = (rows / rows.diagonal(dim1=1, dim2=2)[..., None]).float()
    pull.diagonal(dim1=1, dim2=2).zero_()
    return pull


def _sweep(real: Tensor, residual: Tensor, pull: Tensor) -> int:
    """One pass: each input in turn takes its best level; `residual`, real - levels, changes in place. How many move."""
    moved = 0
    for start in range(0, real.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        best = real[:, block] + pull[:, block] @ residual
        parts = (best, real[:, block], residual[:, block], pull[:, block, block])
        change = _in_turn(*(part.numpy() for part in parts))
        moved += int(np.count_nonzero(change))
    return moved


Values = NDArray[np.float32]


def _in_turn(best: Values, real: Values, residual: Values, pull: Values) -> Values:
    """The changes of a block's `residual` (g, n, o), which is changed; `best` (g, n, o): before any of them changes."""
    change = np.zeros_like(best)
    for row in range(best.shape[1]):
        value = best[:, row]
        if row:
            value += np.matmul(pull[:, row : row + 1, :row], change[:, :row])[:, 0]
        np.rint(value, out=value)
        np.minimum(value, HIGH, out=value)
        np.maximum(value, LOW, out=value)
        np.subtract(real[:, row], value, out=value)
        np.subtract(value, residual[:, row], out=change[:, row])
        residual[:, row] = value
    return change
