"""Layers with weights as ONNX nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from qat.compile.onnx.moves import reshaped
from qat.compile.onnx.values import Values
from qat.program.steps import Quant, Step, Weight

COARSE = 1 / 8  # of an output's step; those of layers whose bias has room lie below 0.07


def pair(value: Any) -> list[int]:
    """Two numbers, of one or two.

    >>> pair(3), pair((1, 2))
    ([3, 3], [1, 2])
    """
    return [int(part) for part in value] if isinstance(value, list | tuple) else [int(value)] * 2


def pads(step: Step, kernel: tuple[int, ...] | None = None) -> list[int]:
    """ONNX pads (top, left, bottom, right) of a convolution, whose weight may be computed, or pooling."""
    padding = step.attributes["padding"]
    if padding == "valid":
        return [0] * 4
    if padding != "same":
        return pair(padding) * 2
    dilation = pair(step.attributes["dilation"])
    if kernel is None:
        assert step.weight is not None
        kernel = step.weight.values.shape[2:]
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def conv2d(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Convolution with int8 weights behind DequantizeLinear, float ones, or one that is computed while it runs."""
    if step.weight is None:
        constants, kernel = [], values.program[step.inputs[1]].shape[2:]
    elif values.spelling.ort and _is_product(step, values.before(step)):
        return matrix_product(values, step, values.before(step), output)
    else:
        constants = values.weight(step.name, step.weight, _products(values, step, step.weight))
        kernel = step.weight.values.shape[2:]
    return values.node(
        "Conv",
        [*inputs, *constants],
        output,
        kernel_shape=list(kernel),
        strides=pair(step.attributes["stride"]),
        pads=pads(step, kernel),
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
    if step.weight.scales is None:  # a layer that stays in float
        return False
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
    if weight is None:
        return _computed_linear(values, step, inputs, output)
    if weight.scales is None:
        matrix = values.constant(f"{step.name}.weight", weight.values.T)
    else:
        matrix = values.scaled(f"{step.name}.weight", weight.values.T, weight.scales, axis=1)
    if weight.bias is None:
        return values.node("MatMul", [*inputs, matrix], output)
    product = values.node("MatMul", [*inputs, matrix], f"{step.name}_product")
    return values.node("Add", [product, values.constant(f"{step.name}.bias", weight.bias)], output)


def _computed_linear(values: Values, step: Step, inputs: list[str], output: str) -> str:
    matrix = values.node("Transpose", [inputs[1]], f"{step.name}_matrix", perm=[1, 0])
    name = f"{step.name}_product" if len(inputs) == 3 else output
    product = values.node("MatMul", [inputs[0], matrix], name)
    return values.node("Add", [product, inputs[2]], output) if len(inputs) == 3 else product


def prelu(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Slopes per channel, or one."""
    behind = [1] * (len(step.shape) - 2)
    if step.weight is None:
        return values.node(
            "PRelu", [inputs[0], reshaped(values, inputs[1], [-1, *behind], f"{step.name}_slope")], output
        )
    slope = values.constant(f"{step.name}.slope", step.weight.values.reshape(-1, *behind))
    return values.node("PRelu", [*inputs, slope], output)
