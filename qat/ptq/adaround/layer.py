"""One layer: from moments to levels, weight and bias."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from qat.observers.weights import HIGH, LOW
from qat.ptq.adaround.descent import descend, feedback
from qat.ptq.adaround.moments import Moments, grouped
from qat.ptq.adaround.options import AdaRoundOptions, LayerReport


@torch.no_grad()
def round_layer(layer: nn.Module, name: str, moments: Moments, options: AdaRoundOptions) -> LayerReport:
    """Write the levels and the bias of least error into `layer`, whose `weight_scale` (out channels,) is settled."""
    weight = cast(Tensor, layer.weight)
    rows = grouped(layer, weight)
    scales = cast(Tensor, layer.weight_scale).double().reshape(len(rows), -1, 1)
    nearest = (rows / scales).round().clamp(LOW, HIGH) * scales
    groups = zip(rows, scales, moments.xx, strict=True)
    found = torch.stack([_rounded(row, scale, xx, options) for row, scale, xx in groups])
    worse = moments.error(found) > moments.error(nearest)
    best = torch.where(worse[..., None], nearest, found)
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
