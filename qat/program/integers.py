"""A step's integers: the grid of its activation, and its constants as they are stored."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from qat.ao import core_of
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.weight_scales import in_float
from qat.graph.layers import affine_of
from qat.graph.ops import INT8_LAYERS, only_moves, op_called
from qat.observers.weights import HIGH, LOW
from qat.program.steps import Quant, Step, Weight

ROUNDING = 0.501  # of a step


def grid_of(quantiser: ActivationQuantiser) -> Quant | None:
    """The quantiser's grid; None for one that doesn't round to int8."""
    if type(quantiser) is not ActivationQuantiser or quantiser.bits != 8:
        return None
    return Quant(float(quantiser.scale), int(quantiser.zero_point), quantiser.quant_min, quantiser.quant_max)


def values_of(step: Step) -> tuple[float, float]:
    """The lowest and the highest value that a rounded step gives."""
    assert step.quant is not None
    low, high = step.quant.range
    least, most = op_called(step.op).bounds or (low, high)
    return max(low, least), min(high, most)


def moves_integers(step: Step) -> bool:
    """Whether `step` only moves the integers of what it reads, where those are on one grid."""
    return only_moves(step.op, step.attributes) and not step.relu


def moved(grid: Quant, scale: float, shift: float, values: tuple[float, float]) -> Quant:
    """A grid for x * scale + shift, of step `grid.scale` * |scale|; `values`: the lowest and highest x that occur.

    The input's zero point is kept where the results fit around it, as `1 - sigmoid(x)` does: they are then on J5's grid
    too. Otherwise the zero point moves, and where it would leave the integers, the step grows, as in torch's kernels.

    >>> moved(Quant(1 / 127, 128), -1.0, 1.0, (0.0, 1.0)).zero_point
    128
    >>> moved(Quant(1.0, 128), 1.0, 100.0, (-128.0, 127.0)).zero_point
    28
    >>> moved(Quant(1.0, 128), 1.0, 255.0, (-128.0, 127.0))
    Quant(scale=1.498..., zero_point=0, low=0, high=255)
    """
    step = grid.scale * abs(scale)
    low, high = sorted(value * scale + shift for value in values)
    zero = min(max(grid.low - round(low / step), grid.low), grid.high)
    for candidate in (grid.zero_point, zero):
        if _holds(result := Quant(step, candidate, grid.low, grid.high), low, high):
            return result
    return Quant(max(_reach(high, grid.high - zero), _reach(-low, zero - grid.low)), zero, grid.low, grid.high)


def _holds(grid: Quant, low: float, high: float) -> bool:
    """Whether nothing from `low` to `high` is clipped by more than a rounding."""
    least, most = grid.range
    return least - ROUNDING * grid.scale <= low and high <= most + ROUNDING * grid.scale


def _reach(value: float, levels: int) -> float:
    """The step at which `levels` levels reach `value`."""
    return value / levels if value > 0 else 0.0


def weight_of(module: nn.Module, quantised: bool) -> Weight:
    """`module`'s constants; `quantised`: as int8 on the module's settled `weight_scale`, else float.

    BatchNorm2d gives its gain and shift per channel. Layers other than convolutions and linear ones stay float.
    """
    core = core_of(module)
    if isinstance(core, nn.BatchNorm2d):
        gain, shift = affine_of(core, core.running_var.dtype)  # type: ignore[union-attr]
        return Weight(numpy(gain), None, numpy(shift))
    values, bias = cast(Tensor, core.weight).detach(), cast("Tensor | None", getattr(core, "bias", None))
    constant = None if bias is None else numpy(bias)
    if not quantised or not isinstance(core, INT8_LAYERS) or in_float(core):
        return Weight(numpy(values), None, constant)
    scales = cast(Tensor, core.weight_scale)
    return Weight(_integers(values, scales), numpy(scales), constant)


def _integers(values: Tensor, scales: Tensor) -> np.ndarray:
    """The levels as `fake_quantise` rounds: by multiplication with the inverse."""
    inverse = (1.0 / scales).view(-1, *[1] * (values.dim() - 1))
    return numpy(torch.clamp(torch.round(values * inverse), LOW, HIGH).to(torch.int8))


def numpy(tensor: Tensor) -> np.ndarray:
    """A copy of the tensor's values."""
    return np.array(tensor.detach().cpu().contiguous().numpy())
