"""Round a layer's weights so that its output's squared error is least: feedback first, then coordinate descent.

The quadratic problem is AdaRound's (Nagel et al. 2020, arXiv:2004.10568, eq. 13). It isn't relaxed here but descended
on the levels themselves, one input of all outputs at a time (QuantEase, Behdin et al. 2023, arXiv:2309.01885), from a
start that hands each weight's rounding error on to the next ones (GPTQ, Frantar et al. 2022, arXiv:2210.17323).
"""

from __future__ import annotations

import torch
from torch import Tensor

from qat.observers.weights import HIGH, LOW

BLOCK = 64  # inputs whose effect on the others is added up before it is applied


def feedback(best: Tensor, xx: Tensor) -> Tensor:
    """Levels (d, outputs) near the real optimum `best` (d, outputs) for the positive definite moments `xx` (d, d).

    Inputs of large energy are rounded first; each error is made up for by those that follow.
    """
    order = xx.diagonal().argsort(descending=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(xx[order][:, order]))
    upper = torch.linalg.cholesky(inverse, upper=True)
    weights, levels = best[order].clone(), torch.empty_like(best)
    for start in range(0, len(weights), BLOCK):
        block = slice(start, start + BLOCK)
        factor, part = upper[block, block], weights[block]
        errors = torch.empty_like(part)
        for row in range(len(part)):
            levels[order[start + row]] = rounded = part[row].round().clamp(LOW, HIGH)
            errors[row] = (part[row] - rounded) / factor[row, row]
            part[row + 1 :] -= torch.outer(factor[row, row + 1 :], errors[row])
        weights[start + BLOCK :] -= upper[block, start + BLOCK :].T @ errors
    return levels


def descend(levels: Tensor, xx: Tensor, xy: Tensor, sweeps: int) -> Tensor:
    """Levels (d, outputs) from which no single step of one weight lowers the error further, or after `sweeps` passes.

    `xx` (d, d) and `xy` (d, outputs): moments with input and target in units of the weight's levels.
    """
    levels, slope = levels.clone(), xx @ levels - xy
    curvature = xx.diagonal()
    for _ in range(sweeps):
        before = levels.clone()
        for start in range(0, len(levels), BLOCK):
            _pass(levels, slope, xx, curvature, slice(start, start + BLOCK))
        if torch.equal(levels, before):
            break
    return levels


def _pass(levels: Tensor, slope: Tensor, xx: Tensor, curvature: Tensor, block: slice) -> None:
    part, tilt, inner = levels[block], slope[block].clone(), xx[block, block]
    before = part.clone()
    for row in range(len(part)):
        best = (part[row] - tilt[row] / curvature[block][row]).round().clamp(LOW, HIGH)
        tilt += torch.outer(inner[:, row], best - part[row])
        part[row] = best
    slope += xx[:, block] @ (part - before)
