"""Layers with weights, and pooling, as ONNX nodes.

ceil_mode is written as padding: operator sets and runtimes differ in what it means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.steps import Quant, Step, Weight

COARSE = 1 / 8  # of an output's step; those of layers whose bias has room lie below 0.07


def pair(value: Any) -> list[int]:
    """Two numbers, of one or two.

    >>> pair(3), pair((1, 2))
    ([3, 3], [1, 2])
    """
    return [int(part) for part in value] if isinstance(value, list | tuple) else [int(value)] * 2


def pads(step: Step) -> list[int]:
    """ONNX pads (top, left, bottom, right) of a convolution or pooling."""
    padding = step.attributes["padding"]
    if padding == "valid":
        return [0] * 4
    if padding != "same":
        return pair(padding) * 2
    assert step.weight is not None
    kernel, dilation = step.weight.values.shape[2:], pair(step.attributes["dilation"])
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def conv2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Convolution with int8 weights behind DequantizeLinear, or float ones."""
    assert step.weight is not None
    if values.spelling.ort and _is_product(step, values.before(step)):
        return matrix_product(values, step, values.before(step), output)
    constants = values.weight(step.name, step.weight, _products(values, step, step.weight))
    return values.node(
        "Conv",
        [*inputs, *constants],
        output,
        kernel_shape=list(step.weight.values.shape[2:]),
        strides=pair(step.attributes["stride"]),
        pads=pads(step),
        dilations=pair(step.attributes["dilation"]),
        group=step.attributes["groups"],
    )


def _products(values: Values, step: Step, weight: Weight) -> Quant | None:
    """The grid of the input, whose products with the weight's levels make the bias int32; None: the bias stays float.

    So it does at a tail with float output, and where the products are coarse.
    """
    if step.quant is None or weight.scales is None or _are_coarse(values, step, weight.scales):
        return None
    return values.before(step).quant


def _are_coarse(values: Values, step: Step, scales: np.ndarray) -> bool:
    """Whether a bias on the grid of the products, of weights on `scales`, would move the output by its own rounding."""
    source = values.before(step).quant
    return bool(source and step.quant and float(scales.max()) * source.scale > COARSE * step.quant.scale)


def _is_product(step: Step, before: Step) -> bool:
    """A 1x1 convolution of integers with float output, such as the tail."""
    assert step.weight is not None
    plain = step.weight.values.shape[2:] == (1, 1) and pair(step.attributes["stride"]) == [1, 1] and not any(pads(step))
    return plain and step.attributes["groups"] == 1 and before.quant is not None and step.quant is None


def matrix_product(values: Values, step: Step, before: Step, output: str) -> str:
    """A 1x1 convolution as a product of integer matrices over the channels, pixels as rows.

    ONNX Runtime has an int8 kernel with float output for this, and none for a convolution.
    """
    weight = step.weight
    assert weight is not None
    assert weight.scales is not None
    rows = values.node("Transpose", [values.integers[before.name]], f"{step.name}_rows", perm=[0, 2, 3, 1])
    real = values.node("DequantizeLinear", [rows, *values.grid(*values.grids[before.name])], f"{step.name}_input")
    matrix = values.scaled(f"{step.name}.weight", weight.values[:, :, 0, 0].T, weight.scales, axis=1)
    product = values.node("MatMul", [real, matrix], f"{step.name}_product")
    if weight.bias is not None:
        bias = values.constant(f"{step.name}.bias", weight.bias)
        product = values.node("Add", [product, bias], f"{step.name}_biased")
    return values.node("Transpose", [product], output, perm=[0, 3, 1, 2])


def conv_transpose2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Transposed convolution; its int8 weights have one scale."""
    assert step.weight is not None
    return values.node(
        "ConvTranspose",
        [*inputs, *values.weight(step.name, step.weight, _products(values, step, step.weight))],
        output,
        kernel_shape=list(step.weight.values.shape[2:]),
        strides=pair(step.attributes["stride"]),
        pads=pads(step),
        dilations=pair(step.attributes["dilation"]),
        output_padding=pair(step.attributes["output_padding"]),
        group=step.attributes["groups"],
    )


def batch_norm(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """A gain and a shift per channel as a depthwise 1x1 convolution: it runs in int8, where 127 is a gain exactly.

    A gain so large that the shift has too few levels is multiplied in float instead. Normalisation behind a mean over
    most of the picture has such gains: what varies little is divided by little.
    """
    assert step.weight is not None
    gain, shift = step.weight.values, step.weight.bias
    levels, scales = np.where(gain < 0, -127, 127).astype(np.int8), (np.abs(gain) / 127).astype(np.float32)
    if _are_coarse(values, step, scales):
        return _scaled_and_shifted(values, step, inputs, output)
    kernel = Weight(gain, None, shift)
    if values.before(step).quant is not None:
        kernel = Weight(levels, np.maximum(scales, np.finfo(np.float32).tiny), shift)
    shaped = Weight(kernel.values.reshape(-1, 1, 1, 1), kernel.scales, kernel.bias)
    constants = values.weight(step.name, shaped, _products(values, step, shaped))
    return values.node("Conv", [*inputs, *constants], output, kernel_shape=[1, 1], group=len(gain))


def _scaled_and_shifted(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * gain + shift, per channel; a float bias wouldn't do, since ONNX Runtime rounds it to the products' grid."""
    assert step.weight is not None
    assert step.weight.bias is not None
    gain, shift = (
        values.constant(f"{step.name}.{name}", constant.reshape(-1, 1, 1))
        for name, constant in (("gain", step.weight.values), ("shift", step.weight.bias))
    )
    scaled = values.node("Mul", [*inputs, gain], f"{step.name}_scaled")
    return values.node("Add", [scaled, shift], output)


def linear(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x @ weight.T + bias over the last axis."""
    weight = step.weight
    assert weight is not None
    if weight.scales is None:
        matrix = values.constant(f"{step.name}.weight", weight.values.T)
    else:
        matrix = values.scaled(f"{step.name}.weight", weight.values.T, weight.scales, axis=1)
    if weight.bias is None:
        return values.node("MatMul", [*inputs, matrix], output)
    product = values.node("MatMul", [*inputs, matrix], f"{step.name}_product")
    return values.node("Add", [product, values.constant(f"{step.name}.bias", weight.bias)], output)


def prelu(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Slopes per channel, or one."""
    assert step.weight is not None
    behind = [1] * (len(step.shape) - 2)
    slope = values.constant(f"{step.name}.slope", step.weight.values.reshape(-1, *behind))
    return values.node("PRelu", [*inputs, slope], output)


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
