"""Operations on single values as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from qat.compile.onnx.values import Values
from qat.program.steps import Step

Emit = Callable[[Values, Step, list[str], str], str]


def arithmetic(kind: str) -> Emit:
    """Two operands, of which one may be a number; torch's alpha multiplies the second."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        given, tensors = step.attributes, iter(inputs)
        first, second = (values.number(given[side]) if side in given else next(tensors) for side in ("input", "other"))
        if given.get("alpha", 1) != 1:
            second = values.node("Mul", [second, values.number(given["alpha"])], f"{step.name}_alpha")
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
    given = step.attributes
    if step.op == "relu6":
        return 0.0, 6.0
    return (given["min_val"], given["max_val"]) if step.op == "hardtanh" else (given["min"], given["max"])


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
    """Softmax over an axis; without one torch takes the first of 1 or 3 axes, else the second."""
    dim = step.attributes["dim"]
    implied = 0 if len(step.shape) in (1, 3) else 1
    return values.node("Softmax", inputs, output, axis=implied if dim is None else dim)
