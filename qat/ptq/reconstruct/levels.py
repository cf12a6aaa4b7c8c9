"""Weights that learn in units of their own levels."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from qat.backends.trainable import RoundedWeight


class Levels(RoundedWeight):
    """A weight kept in levels: an optimiser's step of 1 is one level in every channel."""

    def forward(self, levels: Tensor) -> Tensor:
        """The rounded weight of unrounded `levels`."""
        return super().forward(levels * self._column(levels))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """`weight` in levels."""
        return weight / self._column(weight)

    def _column(self, weight: Tensor) -> Tensor:
        return self.scales.view(-1, *[1] * (weight.dim() - 1))


def learn_in_levels(model: nn.Module) -> list[nn.Parameter]:
    """Let the weights of a `trainable` copy learn in levels; gives them."""
    layers = [module for module in model.modules() if parametrize.is_parametrized(module, "weight")]
    for layer in layers:
        scales = cast(RoundedWeight, layer.parametrizations.weight[0]).scales  # type: ignore[index, union-attr]
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        parametrize.register_parametrization(layer, "weight", Levels(scales))
    return [_original(layer) for layer in layers]


@torch.no_grad()
def round_off(model: nn.Module) -> None:
    """Put every weight on its level, in the network's own units again."""
    for layer in list(model.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            _original(layer).copy_(cast(Tensor, layer.weight))


def _original(layer: nn.Module) -> nn.Parameter:
    return cast(nn.Parameter, layer.parametrizations.weight.original)  # type: ignore[union-attr]
