"""The float function of each step: what an exact reference computes between two roundings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.errors import UserError
from qat.graph.ops import op_called
from qat.program.steps import Step, Weight

Function = Callable[[Step, Sequence[Tensor]], Tensor]


def compute(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    """What `step` gives of float32 tensors, before its ReLU and its rounding.

    UserError, with the model's line, for an operation that has no function here.
    """
    if step.op in SPECIAL:
        return SPECIAL[step.op](step, inputs)
    operation = op_called(step.op)
    if not operation.functions:
        raise UserError(f"{step.source}: {step.op} ({step.name}) has no function that a program can run")
    return cast(Tensor, operation.functions[0](*inputs, **_settings(step)))


def _settings(step: Step) -> dict[str, Any]:
    """The step's attributes without what only a module has."""
    return {key: value for key, value in step.attributes.items() if key not in ("inplace", "training")}


def bias_of(weight: Weight) -> Tensor | None:
    """A layer's bias (out,), float32."""
    return None if weight.bias is None else torch.from_numpy(weight.bias)


def _weight(step: Step) -> Weight:
    assert step.weight is not None  # a layer's step has one
    return step.weight


def _convolution(function: Callable[..., Tensor], *names: str) -> Function:
    def run(step: Step, inputs: Sequence[Tensor]) -> Tensor:
        weight, settings = _weight(step), {name: step.attributes[name] for name in names}
        return function(inputs[0], torch.from_numpy(weight.real), bias_of(weight), **settings)

    return run


def _batch_norm(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    weight = _weight(step)
    gain, shift = (torch.from_numpy(value).view(1, -1, 1, 1) for value in (weight.real, weight.bias))
    return inputs[0] * gain + shift


def _prelu(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return F.prelu(inputs[0], torch.from_numpy(_weight(step).real))


def _scale_shift(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].mul(step.attributes["scale"]).add_(step.attributes["shift"])


def _operands(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """Two operands, of which one may be a number; torch's alpha multiplies the second."""

    def run(step: Step, inputs: Sequence[Tensor]) -> Tensor:
        attributes, tensors = step.attributes, iter(inputs)
        first, second = (
            torch.tensor(attributes[side]) if side in attributes else next(tensors) for side in ("input", "other")
        )
        alpha = attributes.get("alpha", 1)
        return function(first, second if alpha == 1 else second * alpha)

    return run


def _joined(function: Callable[..., Tensor]) -> Function:
    return lambda step, inputs: function(list(inputs), dim=step.attributes["dim"])


def _reshape(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].reshape(step.shape)


def softmax_axis(step: Step) -> int:
    """The step's axis; without one torch takes the first of 1 or 3 axes, else the second."""
    dim = step.attributes["dim"]
    return int(dim) if dim is not None else int(len(step.shape) not in (1, 3))


def _padded(mode: str) -> Function:
    return lambda step, inputs: F.pad(inputs[0], tuple(step.attributes["padding"]), mode=mode)


SPECIAL: dict[str, Function] = {
    "quantise": lambda step, inputs: inputs[0],
    "scale_shift": _scale_shift,
    "conv2d": _convolution(F.conv2d, "stride", "padding", "dilation", "groups"),
    "conv_transpose2d": _convolution(F.conv_transpose2d, "stride", "padding", "output_padding", "groups", "dilation"),
    "linear": _convolution(F.linear),
    "batch_norm": _batch_norm,
    "prelu": _prelu,
    "cat": _joined(torch.cat),
    "stack": _joined(torch.stack),
    "softmax": lambda step, inputs: inputs[0].softmax(softmax_axis(step)),
    "pad_reflect": _padded("reflect"),
    "add": _operands(torch.add),
    "sub": _operands(torch.sub),
    "mul": _operands(torch.mul),
    "div": _operands(torch.div),
    "squeeze": _reshape,
    "unsqueeze": _reshape,
    "reshape": _reshape,
    "flatten": _reshape,
    "permute": lambda step, inputs: inputs[0].permute(step.attributes["dims"]),
    "repeat": lambda step, inputs: inputs[0].repeat(step.attributes["size"]),
}
"""Operations that aren't a call of their row's function with the step's attributes."""
