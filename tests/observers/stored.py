"""Brute force: what each observer must choose, computed from the stored values themselves, one value at a time."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from qat.observers.grid import Grid

Values = NDArray[np.float64]
BINS = 8192


def level(value: float, scale: float, zero: int) -> int:
    return round(value / scale) + zero


def squared_error(values: Values, low: float, high: float, grid: Grid) -> float:
    scale, zero = grid.qparams(low, high)
    levels = np.clip(np.round(values / scale) + zero, grid.low, grid.high)
    return float(np.square((levels - zero) * scale - values).sum())


def shrunken(values: Values, steps: int) -> list[tuple[float, float]]:
    """Both extremes shrunken alike."""
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    return [(low * k / steps, high * k / steps) for k in range(1, steps + 1)]


def cut(values: Values, share: float, grid: Grid) -> tuple[float, float]:
    """The range that holds `share` per cent of the values."""
    if grid.symmetric:
        edge = np.quantile(np.abs(values), share / 100, method="inverted_cdf")
        return max(values.min(), -edge), min(values.max(), edge)
    low = -np.quantile(-values, share / 100, method="inverted_cdf")
    return low, np.quantile(values, share / 100, method="inverted_cdf")


def divergence(values: Values, low: float, high: float, grid: Grid) -> float:
    """KL of TensorRT's recipe, bin by bin: see `qat.observers.kl`."""
    span = 2.0 ** math.frexp(np.abs(values).max())[1]
    width = 2 * span / BINS
    count: dict[int, float] = defaultdict(float)
    for value in values:
        count[math.floor(value / width)] += 1
    count[0], count[-1] = min(count[0], count[1]), min(count[-1], count[-2])
    bins = sorted(number for number in count if count[number])
    scale, zero = grid.qparams(low, high)
    at = {number: level((number + 0.5) * width, scale, zero) for number in bins}
    inside = [number for number in bins if grid.low <= at[number] <= grid.high]
    if sum(count[number] for number in inside) < 0.999 * sum(count.values()):
        return math.inf
    p = {number: count[number] for number in inside}
    p[inside[0]] += sum(count[number] for number in bins if at[number] < grid.low)
    p[inside[-1]] += sum(count[number] for number in bins if at[number] > grid.high)
    mates: dict[int, list[int]] = defaultdict(list)
    for number in inside:
        mates[at[number]].append(number)
    shares = {one: sum(count[number] for number in numbers) / len(numbers) for one, numbers in mates.items()}
    q = {number: shares[at[number]] for number in inside}
    all_p, all_q = sum(p.values()), sum(q.values())
    return sum(p[number] / all_p * math.log(p[number] / all_p * all_q / q[number]) for number in inside)
