"""Pooling as ONNX nodes.

ceil_mode is written as padding: operator sets and runtimes differ in what it means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from qat.compile.onnx.layers import pads, pair
from qat.compile.onnx.matrices import maximum_of_windows, mean_of_windows
from qat.compile.onnx.moves import integers, reshaped
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.steps import Step


def max_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Maximum pooling; padding never wins."""
    return _pool(values, step, inputs, output, "MaxPool", **_edges(values, step))


def _edges(values: Values, step: Step) -> dict[str, list[int]]:
    """Padding and dilation of a maximum pooling."""
    dilation = pair(step.attributes["dilation"])
    around = [p + b for p, b in zip(pads(step), _beyond(values, step, dilation), strict=True)]
    if any(side >= size for side, size in zip(around, _window(step)[0] * 2, strict=True)):
        raise UserError(f"{step.source}: max_pool2d with dilation reads a whole kernel of padding; leave out ceil_mode")
    return {"pads": around, "dilations": dilation}


def max_pool2d_indices(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Where the greatest values are in each plane, as floats; ONNX counts from the first plane on."""
    kernel, stride = _window(step)
    names, label = [f"{step.name}_greatest", f"{step.name}_places"], f"{step.name}_pool"
    settings: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, **_edges(values, step)}
    values.nodes.append(helper.make_node("MaxPool", inputs, names, name=label, **settings))
    height, width = values.before(step).shape[2:]
    in_plane = values.node("Mod", [names[1], integers(values, "plane", [height * width])], f"{step.name}_in_plane")
    return values.node("Cast", [in_plane], output, to=TensorProto.FLOAT)


def max_unpool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Each value to its place in a plane of zeros, which has the batch and channels of the values."""
    x, places = (reshaped(values, name, [0, 0, -1], f"{step.name}_flat_{at}") for at, name in enumerate(inputs))
    first = [integers(values, label, [number]) for label, number in (("starts", 0), ("ends", 1), ("axes", 2))]
    corner = values.node("Slice", [x, *first], f"{step.name}_corner")
    nothing = values.node("Mul", [corner, values.number(0)], f"{step.name}_nothing")
    size = integers(values, "shape", [1, 1, step.shape[2] * step.shape[3]])
    planes = values.node("Expand", [nothing, size], f"{step.name}_planes")
    whole = values.node("Cast", [places], f"{step.name}_whole_places", to=TensorProto.INT64)
    spread = values.node("ScatterElements", [planes, whole, x], f"{step.name}_spread", axis=2)
    return reshaped(values, spread, [0, *step.shape[1:]], output)


def avg_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Average pooling. Its padding counts where torch counts it; what ceil_mode reads beyond that never does."""
    around, beyond = pads(step), _beyond(values, step, [1, 1])
    if step.attributes["divisor_override"] is not None:
        return _sum_pool(values, step, inputs, output, [p + b for p, b in zip(around, beyond, strict=True)])
    counted = bool(step.attributes["count_include_pad"]) and any(around)
    if counted and (values.spelling.padded or any(beyond)):
        sides = values.constant(f"{step.name}_sides", np.array([0, 0, *around[:2], 0, 0, *around[2:]], np.int64))
        inputs, around = [values.node("Pad", [*inputs, sides], f"{step.name}_padded", mode="constant")], [0] * 4
        counted = False
    both = [p + b for p, b in zip(around, beyond, strict=True)]
    return _pool(values, step, inputs, output, "AveragePool", pads=both, count_include_pad=int(counted))


def _sum_pool(values: Values, step: Step, inputs: list[str], output: str, around: list[int]) -> str:
    """The sum over each window, by a depthwise convolution of ones, divided by the number given."""
    (kernel, stride), channels = _window(step), step.shape[1]
    ones = values.constant(f"{step.name}.ones", np.ones((channels, 1, *kernel), np.float32))
    how: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "pads": around, "group": channels}
    summed = values.node("Conv", [*inputs, ones], f"{step.name}_sum", **how)
    return values.node("Div", [summed, values.number(step.attributes["divisor_override"])], output)


def adaptive_avg_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The mean of the whole picture, or of windows of any size."""
    if step.shape[2:] == (1, 1):
        return values.node("GlobalAveragePool", inputs, output)
    return mean_of_windows(values, step, inputs, output)


def adaptive_max_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The maximum of windows of any size."""
    return maximum_of_windows(values, step, inputs, output)


def _pool(values: Values, step: Step, inputs: list[str], output: str, kind: str, **more: Any) -> str:
    kernel, stride = _window(step)
    return values.node(kind, inputs, output, kernel_shape=kernel, strides=stride, **more)


def _window(step: Step) -> tuple[list[int], list[int]]:
    kernel = pair(step.attributes["kernel_size"])
    return kernel, pair(step.attributes["stride"] or kernel)


def _beyond(values: Values, step: Step, dilation: list[int]) -> list[int]:
    """ONNX pads of what the last windows read behind the padding, with ceil_mode."""
    kernel, stride = _window(step)
    sizes = zip(values.before(step).shape[2:], step.shape[2:], kernel, stride, dilation, pads(step)[:2], strict=True)
    return [0, 0, *(max((n - 1) * s + d * (k - 1) + 1 - old - 2 * p, 0) for old, n, k, s, d, p in sizes)]
