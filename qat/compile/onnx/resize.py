"""Interpolation as ONNX's Resize: constant sizes, or constant factors where an open batch needs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from qat.compile.onnx.matrices import mean_of_windows, resampled
from qat.compile.onnx.values import Values
from qat.program.steps import Step

RESIZE: dict[str, dict[str, Any]] = {
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "bicubic": {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75},
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest-exact": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
}


def interpolate(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Resize, pixels by index, or matrices where Resize does otherwise than torch."""
    given, old = step.attributes, values.before(step).shape
    mode, by_factor = given["mode"], given["scale_factor"] is not None  # rule interpolate_size leaves those between
    if mode.startswith("nearest"):
        if by_factor or any(b % a for a, b in zip(old[2:], step.shape[2:], strict=True)):
            return _pick(values, step, inputs, output)
    elif mode == "area":
        return mean_of_windows(values, step, inputs, output)
    elif by_factor or given["antialias"]:
        return resampled(values, step, inputs, output)
    return resize(values, inputs, output, old, step.shape, mode, bool(given["align_corners"]))


def _pick(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """The nearest pixels by index: at broken factors Resize's coordinates, in float32, miss some by one."""
    rows, columns = (_indices(values, step, side) for side in (0, 1))
    picked = values.node("Gather", [*inputs, rows], f"{step.name}_rows", axis=2)
    return values.node("Gather", [picked, columns], output, axis=3)


def _indices(values: Values, step: Step, side: int) -> str:
    old, new, given = values.before(step).shape[2 + side], step.shape[2 + side], step.attributes
    line = torch.arange(old, dtype=torch.float32).view(1, 1, old)
    factors = given["scale_factor"]
    factor = factors[side] if isinstance(factors, tuple | list) else factors
    size = {"size": new} if factor is None else {"scale_factor": factor}
    picked = torch.nn.functional.interpolate(line, **size, mode=given["mode"])
    label = f"{given['mode']}_{old}_to_{new}" + ("" if factor is None else f"_by_{factor}")
    return values.constant(label, picked.flatten().numpy().astype(np.int64))


def resize(
    values: Values,
    inputs: list[str],
    output: str,
    old: tuple[int, ...],
    new: tuple[int, ...],
    mode: str = "bilinear",
    align_corners: bool = False,
) -> str:
    """Resize from `old` to `new` (N, C, H, W), as torch's interpolate does."""
    how: dict[str, Any] = dict(RESIZE[mode])
    if align_corners:
        how["coordinate_transformation_mode"] = "align_corners"
    label = f"{'x'.join(map(str, old[2:]))}_to_{'x'.join(map(str, new[1:]))}"
    region, no_factors = _unused(values)
    if _by_factor(values):
        factors = np.array([1, 1, *map(factor, old[2:], new[2:])], np.float32)
        return values.node("Resize", [*inputs, region, values.constant(f"factors_{label}", factors)], output, **how)
    axes = [2, 3] if values.dynamic_batch else None
    sizes = values.constant(f"sizes_{label}", np.array(new[2:] if axes else new, np.int64))
    return values.node("Resize", [*inputs, region, no_factors, sizes], output, axes=axes, **how)


def _unused(values: Values) -> tuple[str, str]:
    """The names of the region and the factors where they don't count; before operator set 13 they had to be there."""
    if values.opset >= 13:
        return "", ""
    nothing = values.constant("nothing", np.zeros(0, np.float32))
    return nothing, nothing


def _by_factor(values: Values) -> bool:
    """Before operator set 18 sizes are those of all axes, the batch too."""
    return values.dynamic_batch and values.opset < 18


def factor(old: int, new: int) -> np.float32:
    """The least float32 factor with floor(old * factor) == new, which is how ONNX finds the size.

    >>> int(23 * float(factor(23, 45)))
    45
    """
    value: np.float32 = np.float32(new / old)
    while old * float(value) < new:
        value = np.float32(np.nextafter(value, np.float32(np.inf)))
    return value
