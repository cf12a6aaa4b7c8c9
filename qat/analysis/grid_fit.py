"""Does a layer's grid fit? Its squared error beside that of the best grid of as many levels.

The error alone can't tell: it is larger where a tensor has a long tail, or shares its scale with a larger one, and no
scale changes that. A scale that is wrong by 4x costs 12 dB against the best one, in whatever layer.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from qat.analysis.error import decibels, energy
from qat.observers.histogram import centres
from qat.observers.observer import ActivationObserver
from qat.observers.weights import fake_quantise, weight_scales

FLOOR = 1e-10  # of the signal's energy: below it an error is none


def above_best(noise: float, best: float, signal: float) -> float:
    """How many dB `noise` lies above the best possible, 0 at least; all three are sums of squares.

    >>> above_best(16.0, 1.0, 1e3)
    12.041199826559248
    """
    floor = FLOOR * signal or 1.0
    return max(0.0, decibels(max(noise, floor) / max(best, floor)))


def least_rounding(seen: ActivationObserver) -> float:
    """The squared error of rounding everything that `seen`, an observer with method mse, has seen to the best grid."""
    scale, zero_point = seen.grid.qparams(*seen.range())
    values, counts = centres(int(seen.exponent)), seen.counts.cpu()
    levels = ((values / scale).round() + zero_point).clamp(seen.grid.low, seen.grid.high)
    return float(((levels - zero_point) * scale - values).square() @ counts)


def weights_above_best(floating: Tensor, calibrated: Tensor, module: nn.Module) -> float:
    """How many dB the squared error of `calibrated` weights lies above that of the best scale of each channel."""
    rows = floating.view(1, -1) if isinstance(module, nn.ConvTranspose2d) else floating
    best = fake_quantise(floating, weight_scales(rows, "mse"))
    noise, least = (energy(cast(Tensor, weight - floating)) for weight in (calibrated, best))
    return above_best(noise, least, energy(floating))
