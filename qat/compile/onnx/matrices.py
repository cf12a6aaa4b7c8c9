"""Resampling and pooling over windows of unequal size: rows and columns times constant matrices, and slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qat.compile.onnx.moves import integers
from qat.compile.onnx.norms import reduced
from qat.compile.onnx.values import Values
from qat.program.steps import Step

Windows = list[tuple[int, int]]  # the first pixel of each, and the one behind its last


def windows(old: int, new: int) -> Windows:
    """Adaptive pooling's windows along one side.

    >>> windows(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(at * old // new, -(-(at + 1) * old // new)) for at in range(new)]


def mean_of_windows(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Sums, which are exact on integers, divided by the number of pixels."""
    old, new = values.before(step).shape[2:], step.shape[2:]
    rows, columns = (windows(*sides) for sides in zip(old, new, strict=True))
    summed = _product(values, step, inputs[0], _ones(rows, old[0]), _ones(columns, old[1]), f"{step.name}_sums")
    counts = np.outer([stop - start for start, stop in rows], [stop - start for start, stop in columns])
    label = "_to_".join("x".join(map(str, sides)) for sides in (old, new))
    return values.node("Div", [summed, values.constant(f"counts_{label}", counts.astype(np.float32))], output)


def _ones(parts: Windows, size: int) -> np.ndarray:
    return np.array([[start <= at < stop for at in range(size)] for start, stop in parts], np.float32)


def maximum_of_windows(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The maximum of each slice of rows, then of each slice of columns."""
    name = inputs[0]
    for axis, last in ((2, False), (3, True)):
        parts = windows(values.before(step).shape[axis], step.shape[axis])
        tops = [_top(values, name, axis, part, f"{step.name}_{axis}_{at}") for at, part in enumerate(parts)]
        name = values.node("Concat", tops, output if last else f"{step.name}_rows", axis=axis)
    return name


def _top(values: Values, source: str, axis: int, part: tuple[int, int], label: str) -> str:
    bounds = [
        integers(values, name, [number]) for name, number in zip(("starts", "ends", "axes"), (*part, axis), strict=True)
    ]
    window = values.node("Slice", [source, *bounds], f"{label}_window")
    return reduced(values, "ReduceMax", window, f"{label}_maximum", [axis], True)


def resampled(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Interpolation that Resize doesn't have: its weights along each side, from torch."""
    old = values.before(step).shape[2:]
    rows, columns = (_weights(step, side, size) for side, size in enumerate(old))
    return _product(values, step, inputs[0], rows, columns, output)


def _weights(step: Step, side: int, size: int) -> np.ndarray:
    """How much of each old pixel is in each new one, (new, old)."""
    given: dict[str, Any] = {**step.attributes}
    for name, unit in (("size", 2), ("scale_factor", 1.0)):
        value = given.get(name)
        if value is not None:
            pair = list(value) if isinstance(value, tuple | list) else [value, value]
            given[name] = [pair[side], unit]
    pixels = torch.eye(size).view(1, size, size, 1).repeat(1, 1, 1, 2)  # one column would pass for channels-last
    lines: Tensor = F.interpolate(pixels, **given)
    return np.asarray(lines[0, :, :, 0].T, np.float32)


def _product(values: Values, step: Step, source: str, rows: np.ndarray, columns: np.ndarray, output: str) -> str:
    """rows @ x @ columns^T for each channel."""
    left = values.constant(f"{step.name}.rows", rows)
    right = values.constant(f"{step.name}.columns", columns.T)
    return values.node("MatMul", [values.node("MatMul", [left, source], f"{step.name}_rows"), right], output)
