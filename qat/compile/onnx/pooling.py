"""Pooling as ONNX nodes. ceil_mode is written as padding: operator sets and runtimes differ in what it means."""

from __future__ import annotations

from typing import Any

import numpy as np

from qat.compile.onnx.layers import pads, pair
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.steps import Step


def max_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Maximum pooling; padding never wins."""
    dilation = pair(step.attributes["dilation"])
    around = [p + b for p, b in zip(pads(step), _beyond(values, step, dilation), strict=True)]
    if any(side >= size for side, size in zip(around, _window(step)[0] * 2, strict=True)):
        raise UserError(f"{step.source}: max_pool2d with dilation reads a whole kernel of padding; leave out ceil_mode")
    return _pool(values, step, inputs, output, "MaxPool", pads=around, dilations=dilation)


def avg_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Average pooling. Its padding counts where torch counts it; what ceil_mode reads beyond that never does."""
    if step.attributes["divisor_override"] is not None:
        raise UserError(f"{step.source}: avg_pool2d's divisor_override has no ONNX form; leave it out")
    around, beyond = pads(step), _beyond(values, step, [1, 1])
    counted = bool(step.attributes["count_include_pad"]) and any(around)
    if counted and (values.spelling.padded or any(beyond)):
        sides = values.constant(f"{step.name}_sides", np.array([0, 0, *around[:2], 0, 0, *around[2:]], np.int64))
        inputs, around = [values.node("Pad", [*inputs, sides], f"{step.name}_padded", mode="constant")], [0] * 4
        counted = False
    both = [p + b for p, b in zip(around, beyond, strict=True)]
    return _pool(values, step, inputs, output, "AveragePool", pads=both, count_include_pad=int(counted))


def adaptive_avg_pool2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The mean of the whole picture; other sizes have become fixed pooling, or have no ONNX form."""
    if step.shape[2:] != (1, 1):
        raise UserError(
            f"{step.source}: adaptive_avg_pool2d to {step.shape[2:]} windows of unequal size has no ONNX form"
        )
    return values.node("GlobalAveragePool", inputs, output)


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
