"""Give layers their factors: rows of what makes a channel are multiplied, columns of what reads it divided."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, fx, nn

from qat.ao import core_of
from qat.ptq.equalise.groups import Groups


def scale_layers(graph: fx.GraphModule, groups: Groups, factors: Tensor) -> None:
    """Change the weights of `graph`'s layers in place; `factors` (len(groups.channels),) float64, one per channel."""
    for name, layer in groups.layers.items():
        core = core_of(graph.get_submodule(name))
        read, made = factors[layer.read], factors[layer.made]
        if isinstance(core, nn.BatchNorm2d):
            _set(cast(Tensor, core.running_mean), core.running_mean.double() * read)  # type: ignore[union-attr]
            _set(core.weight, core.weight.double() * made / read)
        else:
            _set(cast(Tensor, core.weight), _scaled(cast(nn.Conv2d, core), read, made))
        if core.bias is not None:
            _set(cast(Tensor, core.bias), core.bias.double() * made)  # type: ignore[operator]


def _scaled(layer: nn.Module, read: Tensor, made: Tensor) -> Tensor:
    """A convolution's or linear layer's weight in float64; each group of rows reads channels of its own."""
    weight = cast(Tensor, layer.weight).double()
    tail = [1] * (weight.dim() - 2)
    if isinstance(layer, nn.ConvTranspose2d):
        return weight / read.view(-1, 1, *tail) * made.view(1, -1, *tail)
    groups = getattr(layer, "groups", 1)
    columns = read.view(groups, 1, -1).expand(groups, len(weight) // groups, -1).reshape(len(weight), -1)
    return weight * made.view(-1, 1, *tail) / columns.view(*columns.shape, *tail)


def _set(parameter: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(value)
