"""One layer: the moments of its inputs and outputs, and from them its levels, weight and bias.

The quadratic problem is AdaRound's (Nagel et al. 2020, arXiv:2004.10568, eq. 13). It isn't relaxed here but descended
on the levels themselves, one input of all outputs at a time (QuantEase, Behdin et al. 2023, arXiv:2309.01885), from a
start that hands each weight's rounding error on to the next ones (GPTQ, Frantar et al. 2022, arXiv:2210.17323).

A convolution's moments are measured at random output positions, of which each sees a patch of the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from qat.observers.weights import HIGH, LOW


@dataclass(frozen=True)
class Moments:
    """Moments of a layer with g groups, o outputs and d weights an output in each; float64.

    Where the layer has a bias they are centred, so that the best bias drops out: it is mean_y - weight @ mean_x,
    whatever the weight. Where it has none, both means are taken as zero.
    """

    xx: Tensor  # (g, d, d) covariance of the quantised input
    xy: Tensor  # (g, o, d) covariance of float's output with it
    yy: Tensor  # (g, o) variance of float's output
    mean_x: Tensor  # (g, d)
    mean_y: Tensor  # (g, o)

    def error(self, rows: Tensor) -> Tensor:
        """Mean squared error (g, o) against float's output of weights `rows` (g, o, d), under the best bias."""
        return self.yy - 2 * (rows * self.xy).sum(-1) + (rows @ self.xx * rows).sum(-1)

    def offset(self, rows: Tensor) -> Tensor:
        """The best bias (g, o) of weights `rows` (g, o, d)."""
        return self.mean_y - (rows @ self.mean_x[..., None])[..., 0]


def grouped(layer: nn.Module, weight: Tensor) -> Tensor:
    """A weight (out, in, kh, kw) or (out, in) as float64 rows (groups, outputs, weights of an output)."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    return weight.detach().double().reshape(groups, len(weight) // groups, -1)


@dataclass(frozen=True)
class Sums:
    """Sums over `count` positions of a layer's inputs x and float's outputs y without bias."""

    count: int
    parts: tuple[Tensor, ...]  # of x xT, y xT, y², x, y

    @classmethod
    def total(cls, sums: Iterable[Sums]) -> Sums:
        """Over all positions, added up in order in float64; in place, since x xT of a wide layer has 170 MB."""
        rest = iter(sums)
        first = next(rest)
        count, parts = first.count, [part.double() for part in first.parts]
        for one in rest:
            count += one.count
            for whole, part in zip(parts, one.parts, strict=True):
                whole += part
        return cls(count, tuple(parts))

    def moments(self, layer: nn.Module) -> Moments:
        """Their means, centred where `layer` has a bias."""
        xx, xy, yy, mean_x, mean_y = (part / self.count for part in self.parts)
        if layer.bias is None:
            return Moments(xx, xy, yy, torch.zeros_like(mean_x), torch.zeros_like(mean_y))
        centred = (xx - mean_x[..., None] * mean_x[:, None], xy - mean_y[..., None] * mean_x[:, None])
        bias = grouped(layer, cast(Tensor, layer.bias))[..., 0]
        return Moments(*centred, yy - mean_y.square(), mean_x, mean_y + bias)


def measure(layer: nn.Module, quantised: Tensor, floating: Tensor, count: int, generator: torch.Generator) -> Sums:
    """Sums of a convolution or linear `layer` with float's weight at `count` random positions.

    `quantised`, `floating`: its input (N, C, H, W) in the quantised network and in float.
    """
    where = positions(layer, quantised, count, generator)
    x = patches(layer, quantised, where)
    y = patches(layer, floating, where) @ grouped(layer, cast(Tensor, layer.weight)).float().mT
    return Sums(count, (x.mT @ x, y.mT @ x, y.square().sum(1), x.sum(1), y.sum(1)))


def positions(layer: nn.Module, x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` random output positions (image, row, column) of `layer` on `x` (N, C, H, W), int64 (count, 3)."""
    sizes = (len(x), *_output_size(layer, x))
    return torch.stack([torch.randint(size, (count,), generator=generator) for size in sizes], 1)


def _output_size(layer: nn.Module, x: Tensor) -> tuple[int, ...]:
    if isinstance(layer, nn.Linear):
        return (x.shape[1:-1].numel(),)
    assert isinstance(layer, nn.Conv2d)
    geometry = zip(_padded(layer, x).shape[-2:], layer.kernel_size, layer.stride, layer.dilation, strict=True)
    return tuple((size - dilation * (kernel - 1) - 1) // stride + 1 for size, kernel, stride, dilation in geometry)


def patches(layer: nn.Module, x: Tensor, where: Tensor) -> Tensor:
    """Inputs (groups, positions, weights of an output) that `layer` multiplies at the output positions `where`."""
    if isinstance(layer, nn.Linear):
        return x.reshape(len(x), -1, x.shape[-1])[where[:, 0], where[:, 1]][None]
    assert isinstance(layer, nn.Conv2d)
    image, row, column = where.T[..., None, None]
    row, column = row * layer.stride[0], column * layer.stride[1]
    row = row + torch.arange(layer.kernel_size[0])[:, None] * layer.dilation[0]
    column = column + torch.arange(layer.kernel_size[1]) * layer.dilation[1]
    seen = _padded(layer, x).permute(0, 2, 3, 1)[image, row, column]  # (positions, kh, kw, channels)
    grouped = seen.permute(0, 3, 1, 2).reshape(len(where), layer.groups, -1)
    return grouped.transpose(0, 1)


def _padded(layer: nn.Conv2d, x: Tensor) -> Tensor:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(x, _sides(layer), mode)


def _sides(layer: nn.Conv2d) -> list[int]:
    """Padding left, right, above and below; `same` puts the odd one behind."""
    padding = layer.padding
    if not isinstance(padding, str):
        return [side for side in reversed(padding) for _ in range(2)]
    if padding == "valid":
        return [0] * 4
    totals = [step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]


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
