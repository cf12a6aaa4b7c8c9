"""Activations that exporters write in several nodes become one: SiLU, Mish, GELU, hardswish."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qat.models.onnx.step import Step

Arrays = Mapping[str, NDArray[np.generic]]


class Graph:
    """Steps by what they give, and how often each value is read."""

    def __init__(self, steps: Sequence[Step], arrays: Arrays, outputs: Sequence[str]) -> None:
        self.arrays = arrays
        self.makers = {name: step for step in steps for name in step.outputs}
        self.readers: dict[str, list[Step]] = {}
        for step in steps:
            for name in step.inputs:
                self.readers.setdefault(name, []).append(step)
        self.outputs = set(outputs)

    def made_by(self, name: str, op: str) -> Step | None:
        """The step that gives `name`, if it is an `op` whose result one step alone reads."""
        step = self.makers.get(name)
        alone = name not in self.outputs and len(self.readers.get(name, [])) == 1
        return step if step is not None and step.op == op and alone else None

    def number(self, name: str) -> float | None:
        """A constant's one number."""
        array = self.arrays.get(name)
        return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

    def beside(self, step: Step, value: float) -> str | None:
        """The other operand of a step that has the number `value` as one."""
        for one, other in (step.inputs, step.inputs[::-1]):
            number = self.number(one)
            if number is not None and math.isclose(number, value, rel_tol=1e-5):
                return other
        return None


def joined(steps: Sequence[Step], arrays: Arrays, outputs: Sequence[str]) -> list[Step]:
    """The steps, each pattern as one step at its last one's place."""
    graph = Graph(steps, arrays, outputs)
    found: dict[str, Step] = {}
    gone: set[str] = set()
    for step in steps:
        for pattern in PATTERNS:
            match = pattern(graph, step)
            if match is not None:
                op, source, parts = match
                found[step.outputs[0]] = replace(step, op=op, inputs=(source,), attributes={})
                gone |= {part.outputs[0] for part in parts}
                break
    return [found.get(step.outputs[0], step) for step in steps if step.outputs[0] not in gone]


Match = tuple[str, str, tuple[Step, ...]]


def _silu(graph: Graph, step: Step) -> Match | None:
    return _gated(graph, step, "Sigmoid", "Silu")


def _hard_swish(graph: Graph, step: Step) -> Match | None:
    match = _gated(graph, step, "HardSigmoid", "HardSwish")
    if match is None:
        return None
    gate = match[2][0]
    return match if abs(gate.get("alpha", 0.2) - 1 / 6) < 1e-4 and gate.get("beta", 0.5) == 0.5 else None


def _gated(graph: Graph, step: Step, gate: str, op: str) -> Match | None:
    """x * gate(x)."""
    if step.op != "Mul":
        return None
    for x, gated in (step.inputs, step.inputs[::-1]):
        inner = graph.made_by(gated, gate)
        if inner is not None and inner.inputs[0] == x:
            return op, x, (inner,)
    return None


def _mish(graph: Graph, step: Step) -> Match | None:
    """x * tanh(softplus(x))."""
    if step.op != "Mul":
        return None
    for x, gated in (step.inputs, step.inputs[::-1]):
        outer = graph.made_by(gated, "Tanh")
        inner = outer and graph.made_by(outer.inputs[0], "Softplus")
        if outer and inner and inner.inputs[0] == x:
            return "Mish", x, (inner, outer)
    return None


def _gelu(graph: Graph, step: Step) -> Match | None:
    """x * (1 + erf(x / sqrt 2)) * 0.5."""
    half = graph.beside(step, 0.5) if step.op == "Mul" else None
    product = half and graph.made_by(half, "Mul")
    if not product:
        return None
    for x, shifted in (product.inputs, product.inputs[::-1]):
        plus = graph.made_by(shifted, "Add")
        one = plus and graph.beside(plus, 1.0)
        erf = one and graph.made_by(one, "Erf")
        scaled = erf and graph.makers.get(erf.inputs[0])
        if plus and erf and scaled and _by_root(graph, scaled) == x:
            return "Gelu", x, (scaled, erf, plus, product)
    return None


def _by_root(graph: Graph, step: Step) -> str | None:
    """x of x / sqrt 2."""
    if step.op == "Div" and graph.number(step.inputs[1]) is not None:
        return graph.beside(step, math.sqrt(2))
    return graph.beside(step, 1 / math.sqrt(2)) if step.op == "Mul" else None


PATTERNS: tuple[Callable[[Graph, Step], Match | None], ...] = (_silu, _hard_swish, _mish, _gelu)
