"""What a layer multiplies at an output position: the patch of its input that this position sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def positions(layer: nn.Module, x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` random output positions (image, row, column) of `layer` on `x` (N, C, H, W), int64 (count, 3)."""
    sizes = (len(x), *_output_size(layer, x))
    return torch.stack([torch.randint(size, (count,), generator=generator) for size in sizes], 1)


def _output_size(layer: nn.Module, x: Tensor) -> tuple[int, ...]:
    if isinstance(layer, nn.Linear):
        return (x.shape[1:-1].numel(),)
    assert isinstance(layer, nn.Conv2d)
    left, right, above, below = _sides(layer)
    padded = (x.shape[-2] + above + below, x.shape[-1] + left + right)
    geometry = zip(padded, layer.kernel_size, layer.stride, layer.dilation, strict=True)
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
    return seen.permute(0, 3, 1, 2).reshape(len(where), layer.groups, -1).transpose(0, 1)


def _padded(layer: nn.Conv2d, x: Tensor) -> Tensor:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(x, _sides(layer), mode) if any(_sides(layer)) else x


def _sides(layer: nn.Conv2d) -> list[int]:
    """Padding left, right, above and below; `same` puts the odd one behind."""
    padding = layer.padding
    if not isinstance(padding, str):
        return [side for side in reversed(padding) for _ in range(2)]
    if padding == "valid":
        return [0] * 4
    totals = [step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]


def grouped(layer: nn.Module, weight: Tensor) -> Tensor:
    """A weight (out, in, kh, kw) or (out, in), or a bias (out), as rows (groups, outputs, weights of an output)."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    return weight.detach().reshape(groups, len(weight) // groups, -1)
