"""The float function of each step: what an exact reference computes between two roundings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.errors import UserError
from qat.graph.ops import REQUIRED, op_called
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
    return cast(Tensor, operation.functions[0](**named(step, inputs)))


def named(step: Step, inputs: Sequence[Any]) -> dict[str, Any]:
    """The step's tensors and settings by the parameters' names: tensors are what it has no setting for, in order.

    >>> named(Step("y", "sub", ("x",), (2,), attributes={"input": 1, "alpha": 1}), ["x"])
    {'input': 1, 'other': 'x', 'alpha': 1}
    """
    tensors = iter(inputs)
    given: dict[str, Any] = {}
    for name, default in op_called(step.op).parameters.items():
        value = step.attributes[name] if name in step.attributes else next(tensors, default)
        if value is not REQUIRED and name not in ("inplace", "training"):
            given[name] = value
    return given


def bias_of(weight: Weight) -> Tensor | None:
    """A layer's bias (out,), float32."""
    return None if weight.bias is None else torch.from_numpy(weight.bias)


def softmax_axis(step: Step) -> int:
    """The step's axis; without one torch takes the first of 1 or 3 axes, else the second."""
    dim = step.attributes["dim"]
    return int(dim) if dim is not None else int(len(step.shape) not in (1, 3))


def _weight(step: Step) -> Weight:
    if step.weight is None:
        raise UserError(
            f"{step.source}: {step.op} ({step.name}) is no layer, and a program runs it as one (rule functional_norm)"
        )
    return step.weight


def _layer(function: Callable[..., Tensor], *names: str) -> Function:
    """A layer with a weight of its own, or a function of weights that are computed while the network runs."""

    def run(step: Step, inputs: Sequence[Tensor]) -> Tensor:
        settings = {name: step.attributes[name] for name in names}
        if step.weight is None:
            return function(*inputs, **settings)
        return function(inputs[0], torch.from_numpy(step.weight.real), bias_of(step.weight), **settings)

    return run


def _batch_norm(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    weight = _weight(step)
    gain, shift = (torch.from_numpy(value).view(1, -1, 1, 1) for value in (weight.real, weight.bias))
    return inputs[0] * gain + shift


def _prelu(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return F.prelu(inputs[0], inputs[1] if step.weight is None else torch.from_numpy(step.weight.real))


def _scale_shift(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].mul(step.attributes["scale"]).add_(step.attributes["shift"])


def _operands(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """Two operands, of which one may be a number; torch's alpha multiplies the second."""

    def run(step: Step, inputs: Sequence[Tensor]) -> Tensor:
        given = named(step, inputs)
        first, second = (torch.as_tensor(given[side]) for side in ("input", "other"))
        alpha = given.get("alpha", 1)
        return function(first, second if alpha == 1 else second * alpha)

    return run


def _rsub(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    given = named(step, inputs)
    return cast(Tensor, given["other"] - given["alpha"] * given["input"])


def _joined(function: Callable[..., Tensor]) -> Function:
    return lambda step, inputs: function(list(inputs), dim=step.attributes["dim"])


def _reshape(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].reshape(-1, *step.shape[1:]) if step.shape and all(step.shape) else inputs[0].reshape(step.shape)


def _pad(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    given = step.attributes
    return F.pad(inputs[0], tuple(given["pad"]), given["mode"], given["value"])


def _places(function: Callable[..., tuple[Tensor, Tensor]]) -> Function:
    """Where a pooling's greatest values are, as float32, which holds whole numbers up to 2 ** 24."""
    return lambda step, inputs: function(inputs[0], **{**step.attributes, "return_indices": True})[1].float()


def _unpool(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    x, places = inputs
    planes = torch.zeros(*x.shape[:2], step.shape[2] * step.shape[3])
    planes.scatter_(2, places.long().flatten(2), x.flatten(2))
    return planes.view(*x.shape[:2], *step.shape[2:])


def _place(function: Callable[..., Tensor]) -> Function:
    return lambda step, inputs: function(inputs[0], step.attributes["dim"], step.attributes["keepdim"]).float()


def _index_select(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].index_select(step.attributes["dim"], torch.tensor(step.attributes["index"]))


def _constant(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    value = torch.from_numpy(_weight(step).values)
    return value.float() if value.is_floating_point() else value


SPECIAL: dict[str, Function] = {
    "quantise": lambda step, inputs: inputs[0],
    "constant": _constant,
    "scale_shift": _scale_shift,
    "conv2d": _layer(F.conv2d, "stride", "padding", "dilation", "groups"),
    "conv_transpose2d": _layer(F.conv_transpose2d, "stride", "padding", "output_padding", "groups", "dilation"),
    "linear": _layer(F.linear),
    "batch_norm": _batch_norm,
    "prelu": _prelu,
    "cat": _joined(torch.cat),
    "stack": _joined(torch.stack),
    "softmax": lambda step, inputs: inputs[0].softmax(softmax_axis(step)),
    "pow": lambda step, inputs: torch.pow(*named(step, inputs).values()),
    "einsum": lambda step, inputs: torch.einsum(step.attributes["equation"], *inputs),
    "pad": _pad,
    "add": _operands(torch.add),
    "sub": _operands(torch.sub),
    "rsub": _rsub,
    "mul": _operands(torch.mul),
    "div": _operands(torch.div),
    "maximum": _operands(torch.maximum),
    "minimum": _operands(torch.minimum),
    "argmax": _place(torch.argmax),
    "argmin": _place(torch.argmin),
    "max_pool2d_indices": _places(F.max_pool2d),
    "adaptive_max_pool2d_indices": _places(F.adaptive_max_pool2d),
    "max_unpool2d": _unpool,
    "squeeze": _reshape,
    "unsqueeze": _reshape,
    "reshape": _reshape,
    "flatten": _reshape,
    "unflatten": _reshape,
    "permute": lambda step, inputs: inputs[0].permute(step.attributes["dims"]),
    "getitem": lambda step, inputs: inputs[0][tuple(step.attributes["index"])],
    "index_select": _index_select,
    "expand": lambda step, inputs: inputs[0].expand(step.shape),
    "repeat": lambda step, inputs: inputs[0].repeat(step.attributes["size"]),
}
"""Operations that aren't a call of their row's function with the step's tensors and settings."""
