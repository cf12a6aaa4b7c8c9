"""The second moments that decide a layer's rounding: of its quantised input, and with float's output.

A convolution's are measured at random output positions, of which each sees a patch of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


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
    """Sums over `count` positions of a layer's inputs x and float's outputs y without bias, float64."""

    count: int
    parts: tuple[Tensor, ...]  # of x xT, y xT, y², x, y

    def __add__(self, other: Sums) -> Sums:
        """Over both's positions."""
        parts = (ours + theirs for ours, theirs in zip(self.parts, other.parts, strict=True))
        return Sums(self.count + other.count, tuple(parts))

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
    parts = (x.mT @ x, y.mT @ x, y.square().sum(1), x.sum(1), y.sum(1))
    return Sums(count, tuple(part.double() for part in parts))


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
