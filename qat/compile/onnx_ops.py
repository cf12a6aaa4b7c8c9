"""Each operation of a program as ONNX nodes: a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from qat.compile.onnx_layers import batch_norm, conv2d, conv_transpose2d, linear, pads, pair, prelu
from qat.compile.onnx_values import Values
from qat.compile.program import Step
from qat.errors import UserError

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


def avg_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Average pooling."""
    if step.attributes["divisor_override"] is not None:
        raise UserError(f"{step.source}: avg_pool2d's divisor_override has no ONNX form; leave it out")
    return _pool(
        values, step, inputs, output, "AveragePool", count_include_pad=int(step.attributes["count_include_pad"])
    )


def max_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Maximum pooling."""
    return _pool(values, step, inputs, output, "MaxPool", dilations=pair(step.attributes["dilation"]))


def _pool(values: Values, step: Step, inputs: list[str], output: str, kind: str, **more: Any) -> str:
    given = step.attributes
    kernel = pair(given["kernel_size"])
    stride = pair(given["stride"] or kernel)
    around = pads(step)
    if values.spelling.padded and more.get("count_include_pad") and any(around) and not given["ceil_mode"]:
        sides = values.constant(f"{step.name}_sides", np.array([0, 0, *around[:2], 0, 0, *around[2:]], np.int64))
        inputs, around = [values.node("Pad", [*inputs, sides], f"{step.name}_padded", mode="constant")], [0] * 4
    ceil = int(given["ceil_mode"])
    return values.node(kind, inputs, output, kernel_shape=kernel, strides=stride, pads=around, ceil_mode=ceil, **more)


def adaptive_avg_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The mean of the whole picture; other sizes have become fixed pooling, or have no ONNX form."""
    if step.shape[2:] != (1, 1):
        raise UserError(
            f"{step.source}: adaptive_avg_pool2d to {step.shape[2:]} windows of unequal size has no ONNX form"
        )
    return values.node("GlobalAveragePool", inputs, output)


RESIZE = {
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest-exact": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
}


def interpolate(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Resize by constant factors."""
    given = step.attributes
    if given["mode"] not in RESIZE or given["antialias"]:
        raise UserError(f"{step.source}: interpolate's mode {given['mode']} has no ONNX form; use nearest or bilinear")
    return resize(
        values, inputs, output, values.before(step).shape, step.shape, given["mode"], bool(given["align_corners"])
    )


def resize(
    values: Values,
    inputs: list[str],
    output: str,
    old: tuple[int, ...],
    new: tuple[int, ...],
    mode: str = "bilinear",
    align_corners: bool = False,
) -> str:
    """Resize from `old` to `new` (N, C, H, W), as torch's interpolate does."""
    how = dict(RESIZE[mode])
    if align_corners:
        how["coordinate_transformation_mode"] = "align_corners"
    label = f"{'x'.join(map(str, old[2:]))}_to_{'x'.join(map(str, new[1:]))}"
    if not values.dynamic_batch:
        sizes = values.constant(f"sizes_{label}", np.array(new, np.int64))
        return values.node("Resize", [*inputs, "", "", sizes], output, **how)
    factors = np.array([1, 1, *(factor(a, b) for a, b in zip(old[2:], new[2:], strict=True))], np.float32)
    return values.node("Resize", [*inputs, "", values.constant(f"factors_{label}", factors)], output, **how)


def factor(old: int, new: int) -> np.float32:
    """A float32 factor with floor(old * factor) == new, which is how ONNX finds the size.

    >>> int(np.floor(np.float32(23) * factor(23, 45)))
    45
    """
    value = np.float32(new / old)
    while np.floor(np.float32(old) * value) < new:
        value = np.nextafter(value, np.float32(np.inf))
    return value


def scale_shift(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * scale + shift."""
    scale, shift = step.attributes["scale"], step.attributes["shift"]
    one = _one(values, values.before(step))
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


def _one(values: Values, step: Step) -> int | None:
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
    low, high = _limits(step)
    names = ["" if limit is None else values.number(limit) for limit in (low, high)]
    return values.node("Clip", [*inputs, *(names if names[1] else names[:1])], output)


def _limits(step: Step) -> tuple[float | None, float | None]:
    given = step.attributes
    if step.op == "relu6":
        return 0.0, 6.0
    return (given["min_val"], given["max_val"]) if step.op == "hardtanh" else (given["min"], given["max"])


def hardswish(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * hardsigmoid(x): one node from opset 14 on."""
    if values.opset >= 14:
        return values.node("HardSwish", inputs, output)
    gate = values.node("HardSigmoid", inputs, f"{step.name}_gate", alpha=1 / 6, beta=0.5)
    return values.node("Mul", [*inputs, gate], output)


def reshape(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Reshape, flatten, squeeze or unsqueeze to the known shape; the batch stays open where it comes first."""
    same_batch = values.before(step).shape[:1] == step.shape[:1]
    shape = [0, *step.shape[1:]] if same_batch else list(step.shape)
    target = values.constant(f"shape_{'x'.join(map(str, shape))}", np.array(shape, np.int64))
    return values.node("Reshape", [*inputs, target], output)


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


def mean(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Mean over axes, which are an input from opset 18 on."""
    dims = step.attributes["dim"]
    axes = [int(dims)] if isinstance(dims, int) else [int(dim) for dim in dims or range(len(values.before(step).shape))]
    keep = int(step.attributes["keepdim"])
    if values.opset < 18:
        return values.node("ReduceMean", inputs, output, axes=axes, keepdims=keep)
    named = values.constant(f"axes_{'_'.join(map(str, axes))}", np.array(axes, np.int64))
    return values.node("ReduceMean", [*inputs, named], output, keepdims=keep)


def repeat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Tile."""
    times = list(step.attributes["size"])
    return values.node("Tile", [*inputs, values.constant(f"times_{times}", np.array(times, np.int64))], output)


def shuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Channels to space, in torch's order, or back."""
    if step.op == "pixel_shuffle":
        size = int(step.attributes["upscale_factor"])
        return values.node("DepthToSpace", inputs, output, blocksize=size, mode="CRD")
    size = int(step.attributes["downscale_factor"])
    count, channels, height, width = values.before(step).shape
    split = np.array([0, channels, height // size, size, width // size, size], np.int64)
    cells = values.node("Reshape", [*inputs, values.constant(f"{step.name}_cells", split)], f"{step.name}_split")
    moved = values.node("Transpose", [cells], f"{step.name}_moved", perm=[0, 1, 3, 5, 2, 4])
    joined = np.array([0, *step.shape[1:]], np.int64)
    return values.node("Reshape", [moved, values.constant(f"{step.name}_joined", joined)], output)


def same(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Nothing but the rounding behind it."""
    return inputs[0]


OPS: dict[str, Emit] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "linear": linear,
    "batch_norm": batch_norm,
    "prelu": prelu,
    "add": node("Add"),
    "sub": node("Sub"),
    "mul": node("Mul"),
    "matmul": node("MatMul"),
    "scale_shift": scale_shift,
    "quantise": same,
    "relu": node("Relu"),
    "relu6": clamp,
    "hardtanh": clamp,
    "clamp": clamp,
    "leaky_relu": lambda values, step, inputs, output: values.node(
        "LeakyRelu", inputs, output, alpha=step.attributes["negative_slope"]
    ),
    "elu": node("Elu", "alpha"),
    "hardswish": hardswish,
    "hardsigmoid": node("HardSigmoid", alpha=1 / 6, beta=0.5),
    "sigmoid": node("Sigmoid"),
    "tanh": node("Tanh"),
    "softmax": lambda values, step, inputs, output: values.node("Softmax", inputs, output, axis=step.attributes["dim"]),
    "cat": lambda values, step, inputs, output: values.node("Concat", inputs, output, axis=step.attributes["dim"]),
    "mean": mean,
    "avg_pool2d": avg_pool2d,
    "max_pool2d": max_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "interpolate": interpolate,
    "pixel_shuffle": shuffle,
    "pixel_unshuffle": shuffle,
    "reshape": reshape,
    "flatten": reshape,
    "squeeze": reshape,
    "unsqueeze": reshape,
    "permute": permute,
    "transpose": permute,
    "repeat": repeat,
}
