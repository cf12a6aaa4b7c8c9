"""Roundings that many values reach half way between two levels, where float noise decides."""

from __future__ import annotations

from dataclasses import replace

import torch

from qat.compile.onnx.values import Values
from qat.program.elementwise import TIE
from qat.program.functions import compute
from qat.program.levels import to_real
from qat.program.steps import Quant, Step

MANY = 1 / 64  # of the levels


def has_ties(step: Step, source: Quant) -> bool:
    """Whether many of the levels that `step` reads, a PReLU or another function of one value, give a tie.

    A slope of 0.25 between two equal grids does: a quarter of the negative levels lie half way.
    """
    assert step.quant
    shape = [256, *step.shape[1:2], *(1 for _ in step.shape[2:])]
    levels = torch.arange(256, dtype=torch.uint8).view(-1, *(1 for _ in shape[1:])).expand(shape)
    given = compute(step, [to_real(levels, source)]).double() / step.quant.scale
    return bool(((given - given.floor() - 0.5).abs() < TIE).double().mean() > MANY)


def rounded_as_calib(values: Values, step: Step, result: str) -> None:
    """Multiply by the reciprocal of the scale, as stage calib does, and round to a grid of 1: a tie falls alike."""
    assert step.quant
    quant, signed = step.quant, values.spelling.signed
    levels = values.node("Mul", [result, values.number(1 / quant.scale)], f"{step.name}_levels")
    values.give(step.name, values.rounded(step.name, levels, replace(quant, scale=1.0), signed), quant, signed)
