"""Each operation of a program as ONNX nodes: a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from qat.compile.onnx.layers import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    conv2d,
    conv_transpose2d,
    linear,
    max_pool2d,
    prelu,
)
from qat.compile.onnx.resize import interpolate
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.functions import softmax_axis
from qat.program.steps import Step

Emit = Callable[[Values, Step, list[str], str], str]


def emit(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Write `step`, which reads the tensors called `inputs`; returns the name of what it gives.

    UserError, with the model's line, for an operation that has no ONNX form here.
    """
    if step.op not in OPS:
        raise UserError(f"{step.source}: {step.op} ({step.name}) can't be written to ONNX; known: {', '.join(OPS)}")
    return OPS[step.op](values, step, inputs, output)


def node(kind: str, *settings: str, **fixed: Any) -> Emit:
    """An operation that is one ONNX node; `settings` are the step's attributes that keep their names."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        return values.node(kind, inputs, output, **fixed, **{key: step.attributes[key] for key in settings})

    return write


def cat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Concat, of floats."""
    return values.node("Concat", inputs, output, axis=step.attributes["dim"])


def same(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """No node: the output is the input, before it is rounded."""
    return inputs[0]


def arithmetic(kind: str) -> Emit:
    """Two operands, of which one may be a number; torch's alpha multiplies the second."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        attributes, tensors = step.attributes, iter(inputs)
        first, second = (
            values.number(attributes[side]) if side in attributes else next(tensors) for side in ("input", "other")
        )
        if attributes.get("alpha", 1) != 1:
            second = values.node("Mul", [second, values.number(attributes["alpha"])], f"{step.name}_alpha")
        return values.node(kind, [first, second], output)

    return write


def scale_shift(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * scale + shift."""
    scale, shift = step.attributes["scale"], step.attributes["shift"]
    one = _one(values.before(step))
    if values.spelling.ort and (scale, shift) == (-1, 1) and one is not None:
        return complement(values, step, one, output)
    if scale == -1:
        return values.node("Sub", [values.number(shift), *inputs], output)
    if shift == 0:
        return values.node("Mul", [*inputs, values.number(scale)], output)
    if scale == 1:
        return values.node("Add", [*inputs, values.number(shift)], output)
    scaled = values.node("Mul", [*inputs, values.number(scale)], f"{step.name}_scaled")
    return values.node("Add", [scaled, values.number(shift)], output)


def _one(step: Step) -> int | None:
    """The level that stands for 1 on the grid of a sigmoid's integers; None without such a grid."""
    if step.op != "sigmoid" or step.quant is None:
        return None
    level = step.quant.zero_point + 1 / step.quant.scale
    return round(level) if abs(level - round(level)) < 1e-4 and round(level) <= step.quant.high else None


def complement(values: Values, step: Step, one: int, output: str) -> str:
    """1 - x for a sigmoid's integers: read as x - 1, from -1 to 0, and reflected by a LeakyRelu of slope -1.

    ONNX Runtime looks that up in a table of 256 entries, and has no subtraction of integers.
    """
    quant, signed = values.grids[step.inputs[0]]
    grid = values.grid(replace(quant, zero_point=one), signed)
    shifted = values.node("DequantizeLinear", [values.integers[step.inputs[0]], *grid], f"{step.name}_shifted")
    return values.node("LeakyRelu", [shifted], output, alpha=-1.0)


def clamp(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Clip to limits of which one may be missing."""
    names = ["" if limit is None else values.number(limit) for limit in _limits(step)]
    return values.node("Clip", [*inputs, *(names if names[1] else names[:1])], output)


def _limits(step: Step) -> tuple[float | None, float | None]:
    if step.op == "relu6":
        return 0.0, 6.0
    low, high = ("min_val", "max_val") if step.op == "hardtanh" else ("min", "max")
    return step.attributes[low], step.attributes[high]


def leaky_relu(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """LeakyRelu, whose slope ONNX calls alpha."""
    return values.node("LeakyRelu", inputs, output, alpha=step.attributes["negative_slope"])


def hardswish(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * hardsigmoid(x): one node from opset 14 on."""
    if values.opset >= 14:
        return values.node("HardSwish", inputs, output)
    gate = values.node("HardSigmoid", inputs, f"{step.name}_gate", alpha=1 / 6, beta=0.5)
    return values.node("Mul", [*inputs, gate], output)


def softmax(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Softmax over an axis; without one torch takes the first of 1 or 3 axes, else the second.

    Before operator set 13 it went over the axis and all behind it, so the axis is moved to the end.
    """
    axis, last = softmax_axis(step), len(step.shape) - 1
    if values.opset >= 13 or axis % len(step.shape) == last:
        return values.node("Softmax", inputs, output, axis=axis)
    order = [*range(last + 1)]
    order[axis], order[last] = last, axis
    moved = values.node("Transpose", inputs, f"{step.name}_moved", perm=order)
    shares = values.node("Softmax", [moved], f"{step.name}_shares", axis=last)
    return values.node("Transpose", [shares], output, perm=order)


def reshape(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Reshape, flatten, squeeze or unsqueeze to the known shape; the batch stays open where it comes first."""
    same_batch = values.before(step).shape[:1] == step.shape[:1]
    if values.dynamic_batch and not same_batch:
        raise UserError(f"{step.source}: {step.op} ({step.name}) moves the batch axis; set COMPILE.DYNAMIC_BATCH False")
    return _reshaped(values, inputs[0], [0, *step.shape[1:]] if same_batch else list(step.shape), output)


def _reshaped(values: Values, name: str, shape: list[int], output: str) -> str:
    target = values.constant(f"shape_{'x'.join(map(str, shape))}", np.array(shape, np.int64))
    return values.node("Reshape", [name, target], output)


def permute(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """A new order of the axes."""
    rank = len(step.shape)
    order = list(range(rank))
    if step.op == "permute":
        order = [dim % rank for dim in step.attributes["dims"]]
    else:
        first, second = step.attributes["dim0"] % rank, step.attributes["dim1"] % rank
        order[first], order[second] = second, first
    return values.node("Transpose", inputs, output, perm=order)


def reduce(kind: str, axes_are_input_from: int) -> Emit:
    """A sum or mean over axes, which older operator sets take as an attribute."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        dims, rank = step.attributes["dim"], len(values.before(step).shape)
        axes = [dims] if isinstance(dims, int) else list(dims or range(rank))
        keep = int(step.attributes["keepdim"])
        if values.opset < axes_are_input_from:
            return values.node(kind, inputs, output, axes=axes, keepdims=keep)
        named = values.constant(f"axes_{'_'.join(map(str, axes))}", np.array(axes, np.int64))
        return values.node(kind, [*inputs, named], output, keepdims=keep)

    return write


def repeat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Tile."""
    times = list(step.attributes["size"])
    label = f"times_{'_'.join(map(str, times))}"
    return values.node("Tile", [*inputs, values.constant(label, np.array(times, np.int64))], output)


def pixel_shuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Channels to space, in torch's order."""
    size = int(step.attributes["upscale_factor"])
    return values.node("DepthToSpace", inputs, output, blocksize=size, mode="CRD")


def pixel_unshuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Space to channels, in torch's order, which SpaceToDepth doesn't have."""
    size = int(step.attributes["downscale_factor"])
    _, channels, height, width = values.before(step).shape
    cells = [0, channels, height // size, size, width // size, size]
    split = _reshaped(values, inputs[0], cells, f"{step.name}_split")
    moved = values.node("Transpose", [split], f"{step.name}_moved", perm=[0, 1, 3, 5, 2, 4])
    return _reshaped(values, moved, [0, *step.shape[1:]], output)


OPS: dict[str, Emit] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "linear": linear,
    "batch_norm": batch_norm,
    "prelu": prelu,
    "add": arithmetic("Add"),
    "sub": arithmetic("Sub"),
    "mul": arithmetic("Mul"),
    "matmul": node("MatMul"),
    "scale_shift": scale_shift,
    "quantise": same,
    "relu": node("Relu"),
    "relu6": clamp,
    "hardtanh": clamp,
    "clamp": clamp,
    "leaky_relu": leaky_relu,
    "elu": node("Elu", "alpha"),
    "hardswish": hardswish,
    "hardsigmoid": node("HardSigmoid", alpha=1 / 6, beta=0.5),
    "sigmoid": node("Sigmoid"),
    "tanh": node("Tanh"),
    "softmax": softmax,
    "cat": cat,
    "sum": reduce("ReduceSum", 13),
    "mean": reduce("ReduceMean", 18),
    "avg_pool2d": avg_pool2d,
    "max_pool2d": max_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "interpolate": interpolate,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "reshape": reshape,
    "flatten": reshape,
    "squeeze": reshape,
    "unsqueeze": reshape,
    "permute": permute,
    "transpose": permute,
    "repeat": repeat,
}
