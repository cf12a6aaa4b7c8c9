"""A fake-quantised copy that gradients pass: for learnt rounding, block reconstruction and fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from qat.backends.fx import frozen
from qat.backends.integer_resampling import resample_integers
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import quantisers
from qat.backends.weight_scales import in_float, weighted
from qat.observers.grid import LEAST
from qat.observers.weights import HIGH, LOW
from qat.torch_private import fake_quantise_learnable


class TrainableQuantiser(nn.Module):
    """Rounds to a frozen quantiser's grid; straight-through inside of it, no gradient where it clips.

    `learn`: the scale learns too, by LSQ's gradient (Esser et al. 2020, arXiv:1902.08153), without the factor that it
    has there: resampling on the integers reads the scale too, and what comes from there has none. The zero point stays.
    """

    zero_point: Tensor

    def __init__(self, frozen: ActivationQuantiser, learn: bool) -> None:
        super().__init__()
        self.low, self.high = frozen.quant_min, frozen.quant_max
        self.learns = learn and frozen.fixed is None
        self.scale = nn.Parameter(frozen.scale.detach().clone(), requires_grad=self.learns)
        self.register_buffer("zero_point", frozen.zero_point.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """`x` on the grid."""
        if not self.learns:
            return torch.fake_quantize_per_tensor_affine(x, self.scale[0], self.zero_point[0], self.low, self.high)
        positive = self.scale.clamp_min(LEAST)
        return fake_quantise_learnable(x, positive, self.zero_point.float(), self.low, self.high)


class RoundedWeight(nn.Module):
    """A weight's rounding to int8 levels, straight-through; `scales`: one per output channel, or one in all."""

    scales: Tensor
    zeros: Tensor

    def __init__(self, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("scales", scales.detach().clone())
        self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int32))

    def forward(self, weight: Tensor) -> Tensor:
        """`weight` on its levels."""
        if len(self.scales) == 1:
            return torch.fake_quantize_per_tensor_affine(weight, self.scales[0], self.zeros[0], LOW, HIGH)
        return torch.fake_quantize_per_channel_affine(weight, self.scales, self.zeros, 0, LOW, HIGH)


def trainable(prepared: fx.GraphModule, learn_scales: bool = False) -> fx.GraphModule:
    """A copy that computes stage calib's numbers with gradients for weights, biases and, if asked, activation scales.

    Keep it in eval mode: batch normalisation that couldn't be folded keeps its statistics.
    """
    model = frozen(prepared)
    roundings: dict[int, TrainableQuantiser] = {}  # one for each grid, however many nodes share it
    for node, quantiser in list(quantisers(model)):
        if type(quantiser) is ActivationQuantiser and quantiser.bits == 8:
            rounding = roundings.setdefault(id(quantiser), TrainableQuantiser(quantiser, learn_scales))
            model.set_submodule(str(node.target), rounding)
    resample_integers(model, dict(trainable_quantisers(model)))
    for module in list(weighted(model)):
        learns = cast(Tensor, module.weight).requires_grad  # what the rewrites put in, such as ones, stays
        if isinstance(module.bias, nn.Parameter):
            module.bias.requires_grad_(learns)  # folding batch normalisation makes one without
        if not in_float(module):
            parametrize.register_parametrization(module, "weight", RoundedWeight(cast(Tensor, module.weight_scale)))
    return model


def trainable_quantisers(model: fx.GraphModule) -> Iterator[tuple[fx.Node, TrainableQuantiser]]:
    """Each activation's quantiser of a trainable copy with the graph node that calls it, in graph order."""
    for node in model.graph.nodes:
        module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, TrainableQuantiser):
            yield node, module


@torch.no_grad()
def write_back(trained: fx.GraphModule, prepared: fx.GraphModule) -> None:
    """Copy a trainable copy's weights, biases and activation scales into the graph it comes from, and settle them."""
    for name, parameter in prepared.named_parameters():
        owner, _, leaf = name.rpartition(".")
        parameter.copy_(unrounded_value(trained.get_submodule(owner), leaf))
    for name, module in trained.named_modules():
        if isinstance(module, RoundedWeight):
            core = prepared.get_submodule(name.partition(".parametrizations.")[0])
            cast(Tensor, core.weight_scale).copy_(module.scales)
    for node, quantiser in trainable_quantisers(trained):
        settled = cast(ActivationQuantiser, prepared.get_submodule(str(node.target)))
        settled.scale.copy_(quantiser.scale.clamp_min(LEAST))  # as the copy computes with it
        settled.settled.fill_(True)


def unrounded_value(module: nn.Module, name: str) -> Tensor:
    """A parameter of a trainable copy in the network's own units, before it is rounded."""
    if not parametrize.is_parametrized(module, name):
        return cast(Tensor, getattr(module, name))
    steps = cast(parametrize.ParametrizationList, module.parametrizations[name])  # type: ignore[index]
    value = steps.original
    for step in steps:
        value = value if isinstance(step, RoundedWeight) else step(value)
    return value
