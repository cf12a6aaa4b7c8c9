"""The table of operators that are torch's functions: value by value, over axes, and products."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.models.onnx import sizes
from qat.models.onnx.step import Row, Step, Value, is_numbers, is_tensor, numbers, operand, tensor


def _arithmetic(function: Callable[..., Any]) -> Row:
    """A row of an operation value by value that sizes know too."""

    def row(step: Step, *values: Value) -> Value:
        if any(is_numbers(value) for value in values) and not any(map(is_tensor, values)):
            return sizes.each(sizes.ARITHMETIC[step.op], *(numbers(step, value) for value in values))
        return function(*(operand(step, value) for value in values))

    return row


def _each(function: Callable[..., Any]) -> Row:
    return lambda step, x: function(tensor(step, x))


def _folded(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: functools.reduce(function, values)


def _largest(a: Any, b: Any) -> Any:
    if not isinstance(b, Tensor):
        return a.clamp(min=b)
    return torch.maximum(a, b) if isinstance(a, Tensor) else b.clamp(min=a)


def _smallest(a: Any, b: Any) -> Any:
    if not isinstance(b, Tensor):
        return a.clamp(max=b)
    return torch.minimum(a, b) if isinstance(a, Tensor) else b.clamp(max=a)


def _where(condition: Any, a: Any, b: Any) -> Any:
    """`torch.where` of a traced tensor and a number crashes the interpreter; the method doesn't."""
    return a.where(condition, b) if isinstance(a, Tensor) else torch.where(condition, a, b)


def _mean(*values: Any) -> Any:
    return functools.reduce(operator.add, values) / len(values)


def _pow(x: Any, exponent: Any) -> Any:
    return x**exponent


def _clip(step: Step, x: Value, low: Value = None, high: Value = None) -> Tensor:
    least = step.get("min") if low is None else numbers(step, low)
    most = step.get("max") if high is None else numbers(step, high)
    if (least, most) == (0, 6):
        return F.relu6(tensor(step, x))
    return torch.clamp(tensor(step, x), least, most) if (least, most) != (None, None) else x


def _hard_sigmoid(step: Step, x: Value) -> Tensor:
    alpha, beta = step.get("alpha", 0.2), step.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-4 and beta == 0.5:
        return F.hardsigmoid(tensor(step, x))
    return torch.clamp(alpha * tensor(step, x) + beta, 0, 1)


def _gelu(step: Step, x: Value) -> Tensor:
    form = step.get("approximate", "none")
    return F.gelu(tensor(step, x), approximate=form) if form != "none" else F.gelu(tensor(step, x))


def _softmax(function: Callable[..., Any]) -> Row:
    def row(step: Step, x: Value) -> Value:
        x = tensor(step, x)
        axis = step.get("axis", -1 if step.opset >= 13 else 1)
        if step.opset >= 13 or axis in (-1, int(x.dim()) - 1):
            return function(x, dim=axis)
        if axis == 1 and all(side == 1 for side in x.shape[2:]):
            return function(x, dim=1)
        return step.refuse(f"of operator set {step.opset} over several axes")

    return row


def _reduction(function: Callable[..., Any]) -> Row:
    def row(step: Step, x: Value, axes: Value = None) -> Value:
        chosen = step.get("axes") if axes is None else numbers(step, axes)
        if is_numbers(x):
            return sizes.total(step, x)
        if chosen is None or chosen == []:
            if step.get("noop_with_empty_axes", 0):
                return x
            chosen = list(range(int(x.dim())))
        return function(tensor(step, x), chosen, bool(step.get("keepdims", 1)))

    return row


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _length(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sqrt(torch.sum(x * x, axes, keep))


def _sum_of_squares(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(x * x, axes, keep)


def _argmax(step: Step, x: Value) -> Tensor:
    return torch.argmax(tensor(step, x), step.get("axis", 0), bool(step.get("keepdims", 1)))


def _matmul(step: Step, a: Value, b: Value) -> Tensor:
    return torch.matmul(tensor(step, a), tensor(step, b))


def _einsum(step: Step, *values: Value) -> Tensor:
    return torch.einsum(step.get("equation"), *(tensor(step, value) for value in values))


def _instance_norm(step: Step, x: Value, weight: Value, bias: Value) -> Tensor:
    eps = step.get("epsilon", 1e-5)
    return F.instance_norm(tensor(step, x), weight=tensor(step, weight), bias=tensor(step, bias), eps=eps)


def _cast(step: Step, x: Value) -> Value:
    if not is_tensor(x):
        return sizes.each(sizes.whole if step.get("to") in (6, 7) else lambda value: value, numbers(step, x))
    kind = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float32}.get(step.get("to"))
    if kind is None:
        step.refuse("to this type")
    return x if x.dtype == kind else x.to(kind)


FUNCTIONS: dict[str, Row] = {
    "Relu": _each(F.relu),
    "LeakyRelu": lambda step, x: F.leaky_relu(tensor(step, x), step.get("alpha", 0.01)),
    "Elu": lambda step, x: F.elu(tensor(step, x), step.get("alpha", 1.0)),
    "Celu": lambda step, x: F.celu(tensor(step, x), step.get("alpha", 1.0)),
    "Selu": _each(F.selu),
    "Sigmoid": _each(torch.sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _each(F.hardswish),
    "Tanh": _each(torch.tanh),
    "Softplus": _each(F.softplus),
    "Softsign": _each(F.softsign),
    "Mish": _each(F.mish),
    "Silu": _each(F.silu),
    "Gelu": _gelu,
    "Clip": _clip,
    "Erf": _each(torch.erf),
    "Exp": _each(torch.exp),
    "Log": _each(torch.log),
    "Sin": _each(torch.sin),
    "Cos": _each(torch.cos),
    "Sign": _each(torch.sign),
    "Reciprocal": lambda step, x: 1 / tensor(step, x),
    "Softmax": _softmax(F.softmax),
    "LogSoftmax": _softmax(F.log_softmax),
    "Add": _arithmetic(operator.add),
    "Sub": _arithmetic(operator.sub),
    "Mul": _arithmetic(operator.mul),
    "Div": _arithmetic(operator.truediv),
    "Mod": _arithmetic(torch.remainder),
    "Pow": _arithmetic(_pow),
    "Max": _arithmetic(_folded(_largest)),
    "Min": _arithmetic(_folded(_smallest)),
    "Sum": _arithmetic(_folded(operator.add)),
    "Mean": _arithmetic(_mean),
    "Neg": _arithmetic(operator.neg),
    "Abs": _arithmetic(torch.abs),
    "Sqrt": _arithmetic(torch.sqrt),
    "Floor": _arithmetic(torch.floor),
    "Ceil": _arithmetic(torch.ceil),
    "Round": _arithmetic(torch.round),
    "Equal": _arithmetic(operator.eq),
    "Greater": _arithmetic(operator.gt),
    "Less": _arithmetic(operator.lt),
    "And": _arithmetic(operator.and_),
    "Or": _arithmetic(operator.or_),
    "Not": _arithmetic(operator.invert),
    "Where": _arithmetic(_where),
    "Cast": _cast,
    "ReduceMean": _reduction(torch.mean),
    "ReduceSum": _reduction(torch.sum),
    "ReduceMax": _reduction(torch.amax),
    "ReduceMin": _reduction(torch.amin),
    "ReduceProd": _reduction(_product),
    "ReduceL2": _reduction(_length),
    "ReduceSumSquare": _reduction(_sum_of_squares),
    "ArgMax": _argmax,
    "InstanceNormalization": _instance_norm,
    "MatMul": _matmul,
    "Einsum": _einsum,
}
