"""One layer: from moments to levels, weight and bias.

The quadratic problem is AdaRound's (Nagel et al. 2020, arXiv:2004.10568, eq. 13). It isn't relaxed here but descended
on the levels themselves, one input of all outputs at a time (QuantEase, Behdin et al. 2023, arXiv:2309.01885), from a
start that hands each weight's rounding error on to the next ones (GPTQ, Frantar et al. 2022, arXiv:2210.17323).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from qat.observers.weights import HIGH, LOW
from qat.ptq.adaround.moments import Moments, grouped


@dataclass(frozen=True)
class AdaRoundOptions:
    """How layers are rounded.

    `samples`: output positions a layer is fitted on, spread over all pictures. `sweeps`: most passes over a layer's
    weights. `damping`: energy that every input has at least, as a share of their mean, so that no error hides where
    these pictures have none. `memory`: bytes that the activations between two layers may take; fewer pictures where
    they need more.
    """

    samples: int = 8192
    sweeps: int = 10
    damping: float = 0.03
    memory: int = 2 << 30
    seed: int = 0


@dataclass(frozen=True)
class LayerReport:
    """A layer's output error against float's on the fitted positions, in dB of signal to noise."""

    name: str  # the graph node's
    nearest_db: float  # rounded to the nearest level, the bias as it was
    rounded_db: float
    moved: float  # share (0 to 1) of weights that aren't on their nearest level

    def __str__(self) -> str:
        """The text that tools print."""
        return f"{self.name}: {self.nearest_db:.1f} -> {self.rounded_db:.1f} dB"


@torch.no_grad()
def round_layer(layer: nn.Module, name: str, moments: Moments, options: AdaRoundOptions) -> LayerReport:
    """Write the levels and the bias of least error into `layer`, whose `weight_scale` (out channels,) is settled."""
    weight = cast(Tensor, layer.weight)
    rows = grouped(layer, weight)
    scales = cast(Tensor, layer.weight_scale).double().reshape(len(rows), -1, 1)
    nearest = (rows / scales).round().clamp(LOW, HIGH) * scales
    groups = zip(rows, scales, moments.xx, strict=True)
    rounded = torch.stack([_rounded(row, scale, xx, options) for row, scale, xx in groups])
    worse = moments.error(rounded) > moments.error(nearest)
    best = torch.where(worse[..., None], nearest, rounded)
    report = _report(name, moments, _bias(layer, rows), nearest, best)
    weight.copy_(best.float().view_as(weight))
    if isinstance(layer.bias, Tensor):
        layer.bias.copy_(moments.offset(best).flatten())
    return report


def _rounded(row: Tensor, scale: Tensor, xx: Tensor, options: AdaRoundOptions) -> Tensor:
    """Weights (outputs, d) on their levels, whose output is nearest to that of `row`."""
    raised = xx.clone()
    raised.diagonal().add_(options.damping * max(float(xx.diagonal().mean()), torch.finfo(torch.float32).eps))
    real = (row / scale).T
    return descend(feedback(real, raised), raised, raised @ real, options.sweeps).T * scale


def _bias(layer: nn.Module, rows: Tensor) -> Tensor:
    if isinstance(layer.bias, Tensor):
        return grouped(layer, layer.bias)[..., 0]
    return rows.new_zeros(rows.shape[:2])


def _report(name: str, moments: Moments, bias: Tensor, nearest: Tensor, rounded: Tensor) -> LayerReport:
    signal = float((moments.yy + moments.mean_y.square()).sum())
    shift = moments.offset(nearest) - bias
    before = float((moments.error(nearest) + shift.square()).sum())
    after = float(moments.error(rounded).sum())
    moved = float((nearest != rounded).double().mean())
    return LayerReport(name, _db(signal, before), _db(signal, after), moved)


def _db(signal: float, noise: float) -> float:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else math.inf


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
