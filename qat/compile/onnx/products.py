"""Products of two tensors as ONNX nodes: attention, Einstein's sums."""

from __future__ import annotations

import numpy as np

from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.functions import named
from qat.program.steps import Step


def einsum(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Einsum."""
    return values.node("Einsum", inputs, output, equation=step.attributes["equation"])


def attention(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """softmax(query key^T * scale + mask) value."""
    given = named(step, inputs)
    if given["enable_gqa"] or given["dropout_p"]:
        raise UserError(f"{step.source}: {step.op} ({step.name}) with dropout_p or enable_gqa has no ONNX form")
    query, key = (values.program[name] for name in step.inputs[:2])
    axes = list(range(len(key.shape)))
    axes[-2:] = axes[-1], axes[-2]
    scale = given["scale"] or query.shape[-1] ** -0.5
    scaled = values.node("Mul", [given["query"], values.number(scale)], f"{step.name}_scaled")
    turned = values.node("Transpose", [given["key"]], f"{step.name}_turned", perm=axes)
    scores = values.node("MatMul", [scaled, turned], f"{step.name}_scores")
    if mask := _mask(values, step, given, (query.shape[-2], key.shape[-2])):
        scores = values.node("Add", [scores, mask], f"{step.name}_masked")
    shares = values.node("Softmax", [scores], f"{step.name}_shares", axis=-1)
    return values.node("MatMul", [shares, given["value"]], output)


def _mask(values: Values, step: Step, given: dict[str, str], sides: tuple[int, int]) -> str | None:
    """What is added to the scores; True in a mask of bool means that a key takes part."""
    if given["is_causal"]:
        future = np.triu(np.full(sides, -np.inf, np.float32), 1)
        return values.constant(f"causal_{sides[0]}x{sides[1]}", future)
    if given["attn_mask"] is None:
        return None
    weight = values.program[step.inputs[3]].weight
    if weight is None or weight.values.dtype != bool:
        return given["attn_mask"]
    none, all_ = values.number(-np.inf), values.number(0)
    return values.node("Where", [given["attn_mask"], all_, none], f"{step.name}_mask")
