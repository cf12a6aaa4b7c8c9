"""Functions of one value as ONNX nodes, where that takes more than one node of the same name."""

from __future__ import annotations

import math

from qat.compile.onnx.values import Values
from qat.program.functions import named
from qat.program.steps import Step


def silu(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * sigmoid(x)."""
    gate = values.node("Sigmoid", inputs, f"{step.name}_gate")
    return values.node("Mul", [*inputs, gate], output)


def mish(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * tanh(softplus(x)): one node from opset 18 on, which not all runtimes have."""
    soft = values.node("Softplus", inputs, f"{step.name}_softplus")
    gate = values.node("Tanh", [soft], f"{step.name}_gate")
    return values.node("Mul", [*inputs, gate], output)


def gelu(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x / 2 * (1 + erf(x / sqrt 2)), or tanh's approximation of it."""
    if step.attributes["approximate"] == "tanh":
        inner = _cubic(values, step, inputs)
        bent = values.node("Tanh", [inner], f"{step.name}_tanh")
    else:
        inner = values.node("Mul", [*inputs, values.number(math.sqrt(0.5))], f"{step.name}_inner")
        bent = values.node("Erf", [inner], f"{step.name}_erf")
    gate = values.node("Add", [bent, values.number(1)], f"{step.name}_gate")
    half = values.node("Mul", [*inputs, values.number(0.5)], f"{step.name}_half")
    return values.node("Mul", [half, gate], output)


def _cubic(values: Values, step: Step, inputs: list[str]) -> str:
    """sqrt(2 / pi) * (x + 0.044715 x^3)."""
    square = values.node("Mul", [*inputs, *inputs], f"{step.name}_square")
    part = values.node("Mul", [square, values.number(0.044715)], f"{step.name}_part")
    more = values.node("Add", [part, values.number(1)], f"{step.name}_more")
    product = values.node("Mul", [*inputs, more], f"{step.name}_product")
    return values.node("Mul", [product, values.number(math.sqrt(2 / math.pi))], f"{step.name}_inner")


def softplus(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """log(1 + exp(beta x)) / beta."""
    beta = step.attributes["beta"]
    if beta == 1:
        return values.node("Softplus", inputs, output)
    scaled = values.node("Mul", [*inputs, values.number(beta)], f"{step.name}_scaled")
    soft = values.node("Softplus", [scaled], f"{step.name}_softplus")
    return values.node("Mul", [soft, values.number(1 / beta)], output)


def logsigmoid(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """-softplus(-x)."""
    negative = values.node("Neg", inputs, f"{step.name}_negative")
    soft = values.node("Softplus", [negative], f"{step.name}_softplus")
    return values.node("Neg", [soft], output)


def shrink(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """0 between -lambd and lambd; softshrink moves the rest towards 0 by as much."""
    lambd = float(step.attributes["lambd"])
    return values.node("Shrink", inputs, output, lambd=lambd, bias=lambd if step.op == "softshrink" else 0.0)


def tanhshrink(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x - tanh(x)."""
    return values.node("Sub", [*inputs, values.node("Tanh", inputs, f"{step.name}_tanh")], output)


def rsqrt(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """1 / sqrt(x)."""
    return values.node("Reciprocal", [values.node("Sqrt", inputs, f"{step.name}_root")], output)


def square(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """x * x."""
    return values.node("Mul", [*inputs, *inputs], output)


def power(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Base and exponent, of which one may be a number."""
    base, exponent = (
        given if isinstance(given, str) else values.number(given) for given in named(step, inputs).values()
    )
    return values.node("Pow", [base, exponent], output)
