"""Normalisations, norms and other reductions as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from qat.compile.onnx.moves import integers, reshaped
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.functions import named
from qat.program.steps import Step

AXES_FROM = {"ReduceSum": 13}  # the operator set from which on axes are an input; 18 for the others


def reduced(values: Values, kind: str, source: str, output: str, axes: Sequence[int], keep: bool) -> str:
    """A reduction over axes, which older operator sets take as an attribute."""
    if values.opset < AXES_FROM.get(kind, 18):
        return values.node(kind, [source], output, axes=list(axes), keepdims=int(keep))
    return values.node(kind, [source, integers(values, "axes", list(axes))], output, keepdims=int(keep))


def axes_of(values: Values, step: Step) -> list[int]:
    """The axes that the step reduces; all where it names none."""
    dim = step.attributes["dim"]
    return [dim] if isinstance(dim, int) else list(dim or range(len(values.before(step).shape)))


def reduce(kind: str) -> Callable[[Values, Step, list[str], str], str]:
    """A sum, mean or extreme over axes."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        return reduced(values, kind, inputs[0], output, axes_of(values, step), step.attributes["keepdim"])

    return write


def place(kind: str) -> Callable[[Values, Step, list[str], str], str]:
    """Where the extreme is, as floats; of the flat tensor where the step names no axis."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        dim, keep, source = step.attributes["dim"], int(step.attributes["keepdim"]), inputs[0]
        if dim is None:
            source, dim, keep = reshaped(values, source, [-1], f"{step.name}_flat"), 0, 0
        found = values.node(kind, [source], f"{step.name}_place", axis=dim, keepdims=keep)
        return values.node("Cast", [found], output, to=1)

    return write


def norm(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The sum of magnitudes, or the root of the sum of squares."""
    return reduced(values, _norm(step), inputs[0], output, axes_of(values, step), step.attributes["keepdim"])


def _norm(step: Step) -> str:
    kinds = {1: "ReduceL1", 2: "ReduceL2", "fro": "ReduceL2"}
    p = step.attributes["p"]
    if p not in kinds:
        raise UserError(f"{step.source}: {step.op} ({step.name}) with p {p} has no ONNX form; use 1 or 2")
    return kinds[p]


def normalize(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x / max(norm, eps)."""
    size = reduced(values, _norm(step), inputs[0], f"{step.name}_norm", axes_of(values, step), True)
    least = values.node("Clip", [size, values.number(step.attributes["eps"])], f"{step.name}_least")
    return values.node("Div", [*inputs, least], output)


def layer_norm(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """LayerNormalization, from operator set 17 on; before it its parts."""
    given = named(step, inputs)
    shape = tuple(given["normalized_shape"])
    axes = list(range(-len(shape), 0))
    if values.opset >= 17:
        gain = given["weight"] or values.constant(f"ones_{'x'.join(map(str, shape))}", np.ones(shape, np.float32))
        more = [given["bias"]] if given["bias"] else []
        return values.node(
            "LayerNormalization", [inputs[0], gain, *more], output, axis=axes[0], epsilon=float(given["eps"])
        )
    mean = reduced(values, "ReduceMean", inputs[0], f"{step.name}_mean", axes, True)
    centred = values.node("Sub", [inputs[0], mean], f"{step.name}_centred")
    return _scaled(values, step, centred, axes, float(given["eps"]), output)


def rms_norm(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x / sqrt(mean(x^2) + eps)."""
    eps = step.attributes["eps"]
    axes = list(range(-len(step.attributes["normalized_shape"]), 0))
    return _scaled(values, step, inputs[0], axes, torch.finfo(torch.float32).eps if eps is None else eps, output)


def _scaled(values: Values, step: Step, source: str, axes: list[int], eps: float, output: str) -> str:
    """x / sqrt(mean(x^2) + eps) * weight + bias."""
    squares = values.node("Mul", [source, source], f"{step.name}_squares")
    variance = reduced(values, "ReduceMean", squares, f"{step.name}_variance", axes, True)
    more = values.node("Add", [variance, values.number(eps)], f"{step.name}_variance_eps")
    root = values.node("Sqrt", [more], f"{step.name}_deviation")
    given = named(step, [values.real[name] for name in step.inputs])
    parts = [("Div", root), ("Mul", given.get("weight")), ("Add", given.get("bias"))]
    return _chain(values, source, [(kind, other) for kind, other in parts if other], output)


def _chain(values: Values, source: str, parts: Sequence[tuple[str, str]], output: str) -> str:
    """One node behind the other, each with another operand."""
    for at, (kind, other) in enumerate(parts, 1):
        source = values.node(kind, [source, other], output if at == len(parts) else f"{output}_{kind.lower()}")
    return source


def instance_norm(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """InstanceNormalization by each picture's statistics."""
    given, channels = named(step, inputs), step.shape[1]
    if given["running_mean"] is not None or given["running_var"] is not None:
        raise UserError(f"{step.source}: instance_norm ({step.name}) by running statistics; use nn.BatchNorm2d")
    affine = [given["weight"] or _filled(values, channels, 1), given["bias"] or _filled(values, channels, 0)]
    return values.node("InstanceNormalization", [inputs[0], *affine], output, epsilon=float(given["eps"]))


def _filled(values: Values, count: int, value: float) -> str:
    return values.constant(f"{count}_times_{value}", np.full(count, value, np.float32))


def group_norm(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Groups as the channels of an InstanceNormalization, then a gain and a shift for each channel."""
    given, groups = named(step, inputs), int(step.attributes["num_groups"])
    grouped = reshaped(values, inputs[0], [0, groups, -1], f"{step.name}_groups")
    affine = [_filled(values, groups, 1), _filled(values, groups, 0)]
    even = values.node(
        "InstanceNormalization", [grouped, *affine], f"{step.name}_normalised", epsilon=float(given["eps"])
    )
    channels = [step.shape[1], *[1] * (len(step.shape) - 2)]
    parts = [
        (kind, reshaped(values, given[name], channels, f"{step.name}_{name}"))
        for kind, name in (("Mul", "weight"), ("Add", "bias"))
        if given[name]
    ]
    back = reshaped(values, even, [0, *step.shape[1:]], f"{step.name}_channels" if parts else output)
    return _chain(values, back, parts, output)
