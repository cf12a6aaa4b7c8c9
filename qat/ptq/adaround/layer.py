"""One layer: from the moments of its inputs and outputs its levels, weight and bias.

The quadratic problem is AdaRound's (Nagel et al. 2020, arXiv:2004.10568, eq. 13). It isn't relaxed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from qat.observers.weights import HIGH, LOW
from qat.ptq.adaround.levels import best_levels
from qat.ptq.adaround.moments import Moments
from qat.ptq.adaround.patches import grouped

NOTHING = 1e-4  # of a level: a weight nearer to one has no other to go to


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


def on_levels(layer: nn.Module) -> bool:
    """Whether every weight lies on a level of the settled scales, but for float32's last digits."""
    rows = grouped(layer, cast(Tensor, layer.weight)).double()
    levels = rows / cast(Tensor, layer.weight_scale).double().reshape(len(rows), -1, 1)
    return bool((levels - levels.round().clamp(LOW, HIGH)).abs().max() < NOTHING)


@torch.no_grad()
def round_layer(layer: nn.Module, name: str, moments: Moments, options: AdaRoundOptions) -> LayerReport:
    """Write the levels and the bias of least error into `layer`, whose `weight_scale` (out channels,) is settled."""
    weight = cast(Tensor, layer.weight)
    rows = grouped(layer, weight).cpu().double()
    scales = cast(Tensor, layer.weight_scale).cpu().double().reshape(len(rows), -1, 1)
    nearest = (rows / scales).round().clamp(LOW, HIGH) * scales
    rounded = _rounded(rows / scales, moments.xx, options) * scales
    worse = moments.error(rounded) > moments.error(nearest)
    best = torch.where(worse[..., None], nearest, rounded)
    report = _report(name, moments, _bias(layer, rows), nearest, best)
    weight.copy_(best.float().view_as(weight))
    if isinstance(layer.bias, Tensor):
        layer.bias.copy_(moments.offset(best).flatten())
    return report


def _rounded(real: Tensor, xx: Tensor, options: AdaRoundOptions) -> Tensor:
    """Levels (groups, outputs, d), whose output is nearest to that of `real`."""
    mean = xx.diagonal(dim1=1, dim2=2).mean(1).clamp_min(torch.finfo(torch.float32).eps)
    raised = xx.clone()
    raised.diagonal(dim1=1, dim2=2).add_(options.damping * mean[:, None])
    return best_levels(real.mT, raised, options.sweeps).mT.double()


def _bias(layer: nn.Module, rows: Tensor) -> Tensor:
    if isinstance(layer.bias, Tensor):
        return grouped(layer, layer.bias)[..., 0].cpu().double()
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
