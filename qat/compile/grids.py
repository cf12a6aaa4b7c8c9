"""An activation's grid: read from its quantiser, and where it goes when constants are added or multiplied."""

from __future__ import annotations

from qat.backends.quantiser import ActivationQuantiser
from qat.compile.program import Quant, Step

BOUNDED = {"sigmoid": (0.0, 1.0), "hardsigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def grid_of(quantiser: ActivationQuantiser) -> Quant | None:
    """The quantiser's grid; None for one that rounds nothing."""
    if type(quantiser) is not ActivationQuantiser:
        return None
    return Quant(float(quantiser.scale), int(quantiser.zero_point), quantiser.quant_min, quantiser.quant_max)


def values_of(step: Step) -> tuple[float, float]:
    """The lowest and the highest value that a rounded step gives."""
    assert step.quant is not None
    low, high = step.quant.range
    least, most = BOUNDED.get(step.op, (low, high))
    return max(low, least), min(high, most)


def moved(grid: Quant, scale: float, shift: float, values: tuple[float, float]) -> Quant:
    """A grid for x * scale + shift, of step `grid.scale` * |scale|; `values`: the lowest and highest x that occur.

    The input's zero point is kept where the results fit around it, as `1 - sigmoid(x)` does: they are then on J5's grid
    too. Otherwise the zero point moves, as far as the integers allow.

    >>> moved(Quant(1 / 127, 128), -1.0, 1.0, (0.0, 1.0)).zero_point
    128
    >>> moved(Quant(1.0, 128), 1.0, 100.0, (-128.0, 127.0)).zero_point
    28
    """
    step = grid.scale * abs(scale)
    low, high = sorted(value * scale + shift for value in values)
    kept = Quant(step, grid.zero_point, grid.low, grid.high)
    if kept.range[0] - step / 2 <= low and high <= kept.range[1] + step / 2:
        return kept
    zero = min(max(grid.low - round(low / step), grid.low), grid.high)
    return Quant(step, zero, grid.low, grid.high)
