"""Each operation of a program as ONNX nodes: a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from qat.compile.onnx import functions, moves, norms, products
from qat.compile.onnx.layers import batch_norm, conv2d, conv_transpose2d, linear, prelu
from qat.compile.onnx.pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    max_pool2d,
    max_pool2d_indices,
    max_unpool2d,
)
from qat.compile.onnx.resize import interpolate
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.functions import named, softmax_axis
from qat.program.steps import Step

FROM = {"celu": 12, "einsum": 12, "grid_sample": 16}  # the operator set that has the node
Emit = Callable[[Values, Step, list[str], str], str]


def emit(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Write `step`, which reads the tensors called `inputs`; returns the name of what it gives.

    UserError, with the model's line, for an operation that has no ONNX form here.
    """
    if step.op not in OPS:
        raise UserError(f"{step.source}: {step.op} ({step.name}) can't be written to ONNX; known: {', '.join(OPS)}")
    if values.opset < (least := FROM.get(step.op, 0)):
        raise UserError(f"{step.source}: {step.op} ({step.name}) needs COMPILE.OPSET {least} or more")
    return OPS[step.op](values, step, inputs, output)


def node(kind: str, *settings: str, **fixed: Any) -> Emit:
    """An operation that is one ONNX node; `settings` are the step's attributes that keep their names."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        return values.node(kind, inputs, output, **fixed, **{key: step.attributes[key] for key in settings})

    return write


def same(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """No node: the output is the input, before it is rounded."""
    return inputs[0]


def arithmetic(kind: str, turned: bool = False) -> Emit:
    """Two operands, of which one may be a number; torch's alpha multiplies the second. `turned`: they swap first."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        given = named(step, inputs)
        first, second = (
            name if isinstance(name := given[side], str) else values.number(name)
            for side in (("other", "input") if turned else ("input", "other"))
        )
        if given.get("alpha", 1) != 1:
            second = values.node("Mul", [second, values.number(given["alpha"])], f"{step.name}_alpha")
        return values.node(kind, [first, second], output)

    return write


def constant(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """A tensor of the model's own."""
    assert step.weight is not None
    held = step.weight.values
    return values.constant(f"{step.name}.value", held.astype(np.float32) if held.dtype.kind == "f" else held)


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


def rounded(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """To whole numbers, ties to even."""
    if step.attributes["decimals"]:
        raise UserError(f"{step.source}: round ({step.name}) to decimals has no ONNX form")
    return values.node("Round", inputs, output)


def grid_sample(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """GridSample, whose modes have other names from operator set 20 on."""
    given = step.attributes
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(given["mode"]) if values.opset >= 20 else None
    how = {"mode": mode or given["mode"], "padding_mode": given["padding_mode"]}
    return values.node("GridSample", inputs, output, align_corners=int(bool(given["align_corners"])), **how)


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


OPS: dict[str, Emit] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "linear": linear,
    "batch_norm": batch_norm,
    "prelu": prelu,
    "constant": constant,
    "add": arithmetic("Add"),
    "sub": arithmetic("Sub"),
    "rsub": arithmetic("Sub", turned=True),
    "mul": arithmetic("Mul"),
    "div": arithmetic("Div"),
    "maximum": arithmetic("Max"),
    "minimum": arithmetic("Min"),
    "matmul": node("MatMul"),
    "einsum": products.einsum,
    "attention": products.attention,
    "scale_shift": scale_shift,
    "quantise": same,
    "relu": node("Relu"),
    "relu6": clamp,
    "hardtanh": clamp,
    "clamp": clamp,
    "leaky_relu": leaky_relu,
    "elu": node("Elu", "alpha"),
    "celu": node("Celu", "alpha"),
    "selu": node("Selu"),
    "hardswish": hardswish,
    "hardsigmoid": node("HardSigmoid", alpha=1 / 6, beta=0.5),
    "sigmoid": node("Sigmoid"),
    "logsigmoid": functions.logsigmoid,
    "tanh": node("Tanh"),
    "tanhshrink": functions.tanhshrink,
    "hardshrink": functions.shrink,
    "softshrink": functions.shrink,
    "softsign": node("Softsign"),
    "softplus": functions.softplus,
    "silu": functions.silu,
    "mish": functions.mish,
    "gelu": functions.gelu,
    "exp": node("Exp"),
    "log": node("Log"),
    "sqrt": node("Sqrt"),
    "rsqrt": functions.rsqrt,
    "reciprocal": node("Reciprocal"),
    "square": functions.square,
    "pow": functions.power,
    "abs": node("Abs"),
    "neg": node("Neg"),
    "sign": node("Sign"),
    "round": rounded,
    "floor": node("Floor"),
    "ceil": node("Ceil"),
    "erf": node("Erf"),
    "sin": node("Sin"),
    "cos": node("Cos"),
    "softmax": softmax,
    "layer_norm": norms.layer_norm,
    "group_norm": norms.group_norm,
    "instance_norm": norms.instance_norm,
    "rms_norm": norms.rms_norm,
    "normalize": norms.normalize,
    "norm": norms.norm,
    "sum": norms.reduce("ReduceSum"),
    "mean": norms.reduce("ReduceMean"),
    "amax": norms.reduce("ReduceMax"),
    "amin": norms.reduce("ReduceMin"),
    "argmax": norms.place("ArgMax"),
    "argmin": norms.place("ArgMin"),
    "avg_pool2d": avg_pool2d,
    "max_pool2d": max_pool2d,
    "max_pool2d_indices": max_pool2d_indices,
    "max_unpool2d": max_unpool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "adaptive_max_pool2d": adaptive_max_pool2d,
    "interpolate": interpolate,
    "grid_sample": grid_sample,
    "pixel_shuffle": moves.pixel_shuffle,
    "pixel_unshuffle": moves.pixel_unshuffle,
    "channel_shuffle": moves.channel_shuffle,
    "cat": moves.cat,
    "stack": moves.stack,
    "getitem": moves.getitem,
    "index_select": moves.index_select,
    "pad": moves.pad,
    "flip": moves.flip,
    "roll": moves.roll,
    "expand": moves.expand,
    "repeat": moves.repeat,
    "repeat_interleave": moves.repeat_interleave,
    "reshape": moves.reshape,
    "flatten": moves.reshape,
    "unflatten": moves.reshape,
    "squeeze": moves.reshape,
    "unsqueeze": moves.reshape,
    "permute": moves.permute,
    "transpose": moves.permute,
}
