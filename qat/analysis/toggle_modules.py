"""What can be switched: a tensor's rounding, the resampling of integers, a layer's constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, fx, nn

from qat.backends.integer_resampling import rounded
from qat.backends.quantiser import ActivationQuantiser

Constants = tuple[Tensor, Tensor | None]  # weight and bias


@dataclass
class Switch:
    """Whether a layer's output is rounded."""

    on: bool = True


class Rounding(nn.Module):
    """One call of a quantiser: rounds to its grid, or passes on."""

    def __init__(self, quantiser: ActivationQuantiser, switch: Switch) -> None:
        super().__init__()
        self.quantiser, self.switch = quantiser, switch

    def forward(self, x: Tensor) -> Tensor:
        """`x` on the grid where the switch is on."""
        return cast(Tensor, self.quantiser(x)) if self.switch.on else x


class ToIntegers(Rounding):
    """Before resampling, see `qat.backends.integer_resampling`: the tensor as integers around the zero point."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` in whole steps where the switch is on."""
        return rounded(x / self.quantiser.scale) if self.switch.on else x


class FromIntegers(Rounding):
    """After resampling: integers again, as real numbers."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` rounded to whole steps, times the step, where the switch is on."""
        return rounded(x) * self.quantiser.scale if self.switch.on else x


@dataclass(frozen=True)
class WeightSwitch:
    """A layer's constants: float's own, and those of stage calib (rounded, bias perhaps corrected)."""

    module: nn.Module
    floating: Constants
    calibrated: Constants

    def set(self, on: bool) -> None:
        """Put the calibrated (on) or the float constants into the module."""
        weight, bias = self.calibrated if on else self.floating
        cast(Tensor, self.module.weight).data = weight
        if bias is not None:
            cast(Tensor, self.module.bias).data = bias


@dataclass
class Layer:
    """What rounds under one name; `start`: the graph's first node that its switches change."""

    name: str
    start: fx.Node
    activation: Switch | None = None
    weight: WeightSwitch | None = None

    def set(self, on: bool, weights: bool = True, activations: bool = True) -> None:
        """Switch the layer's `weights`, its `activations`, or both."""
        if weights and self.weight:
            self.weight.set(on)
        if activations and self.activation:
            self.activation.on = on


def constants(graph: fx.GraphModule, name: str) -> Constants:
    """Weight and bias of the module called `name`."""
    module = graph.get_submodule(name)
    bias = cast("Tensor | None", module.bias)
    return cast(Tensor, module.weight).detach(), None if bias is None else bias.detach()
