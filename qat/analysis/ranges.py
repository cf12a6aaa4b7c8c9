"""The ranges of each layer: weights, activations, how much is clipped, channels that stand out, histograms."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from qat.analysis.layer_error import LayerErrors
from qat.backends.quantiser import ActivationQuantiser
from qat.observers.histogram import BINS, centres
from qat.observers.observer import ActivationObserver

OUTLIER = 8.0  # times the median channel's range: the others lose three of eight bits on a common scale
MOST = 8  # outlier channels that are named
SHOWN = 64  # bins of a histogram


def ranges(errors: LayerErrors) -> dict[str, Any]:
    """The content of ranges.json, from float's tensors on the pictures of `errors`."""
    return {"images": errors.images, "layers": [_row(errors, name) for name in errors.subject.on]}


def _row(errors: LayerErrors, name: str) -> dict[str, Any]:
    subject = errors.subject
    switch, quantiser = subject.on.layers[name].weight, subject.quantisers.get(name)
    return {
        "name": name,
        "module": subject.program[name].module,
        "weight": weight_range(switch.floating[0], switch.module) if switch else None,
        "activation": activation_range(quantiser, errors.observers[quantiser]) if quantiser else None,
        "outlier_channels": outliers(errors.channels[name]),
    }


def weight_range(weight: Tensor, module: nn.Module) -> dict[str, Any]:
    """Extremes of a float weight and of its scales, and the output channels that stand out."""
    scales = cast(Tensor, module.weight_scale)
    axis = 1 if isinstance(module, nn.ConvTranspose2d) else 0
    return {
        "min": float(weight.min()),
        "max": float(weight.max()),
        "scale_min": float(scales.min()),
        "scale_max": float(scales.max()),
        "outlier_channels": outliers(weight.transpose(0, axis).flatten(1).abs().amax(1)),
    }


def activation_range(quantiser: ActivationQuantiser, observer: ActivationObserver) -> dict[str, Any]:
    """A grid beside what float gives: extremes, share outside of the grid (`saturated`, 0 to 1), histogram."""
    scale, zero_point = float(quantiser.scale), int(quantiser.zero_point)
    low, high = ((level - zero_point) * scale for level in (quantiser.quant_min, quantiser.quant_max))
    least, most = observer.extremes.tolist()
    return {
        "min": least,
        "max": most,
        "scale": scale,
        "zero_point": zero_point,
        "low": low,
        "high": high,
        "saturated": saturated(observer, low - scale / 2, high + scale / 2),
        "histogram": histogram(observer),
    }


def saturated(observer: ActivationObserver, low: float, high: float) -> float:
    """The share (0 to 1) of values below `low` or above `high`, to a bin's width."""
    values, counts = centres(int(observer.exponent)), observer.counts.cpu()
    outside = counts[(values < low) | (values > high)].sum()
    return float(outside / counts.sum().clamp(min=1))


def histogram(observer: ActivationObserver) -> dict[str, list[float]]:
    """At most SHOWN equally wide bins from the lowest to the highest value; `edges` has one more than `counts`."""
    counts = observer.counts.cpu()
    used = counts.nonzero()
    if not len(used):
        return {"edges": [], "counts": []}
    first, last = int(used[0]), int(used[-1]) + 1
    each = -(-(last - first) // SHOWN)
    bins = -(-(last - first) // each)
    padded = torch.cat([counts, counts.new_zeros(each)])[first : first + bins * each]
    width = 2.0 ** int(observer.exponent) / (BINS // 2)
    edges = [(first + index * each - BINS // 2) * width for index in range(bins + 1)]
    return {"edges": edges, "counts": padded.view(bins, each).sum(1).tolist()}


def outliers(spans: Tensor) -> list[dict[str, Any]]:
    """The channels whose span (channels,) is at least OUTLIER times the median's: the MOST widest, widest first."""
    median = float(spans.median())
    if median <= 0:
        return []
    wide = [(float(span) / median, channel) for channel, span in enumerate(spans.tolist()) if span >= OUTLIER * median]
    return [{"channel": channel, "ratio": ratio} for ratio, channel in sorted(wide, reverse=True)[:MOST]]
