"""From statistics to a quantisation range (low, high), by the observers' names."""

from __future__ import annotations

from collections.abc import Callable

from qat.observers.grid import Grid, Statistics
from qat.observers.kl import kl
from qat.observers.mixed_percentile import mix
from qat.observers.mse import mse
from qat.observers.percentile import percentile

__all__ = ["RANGES", "Grid", "Statistics", "kl", "min_max", "mix", "mse", "percentile"]


def min_max(seen: Statistics, grid: Grid) -> tuple[float, float]:
    """The extremes themselves."""
    return seen.low, seen.high


RANGES: dict[str, Callable[..., tuple[float, float]]] = {
    "min_max": min_max,
    "percentile": percentile,
    "mse": mse,
    "kl": kl,
    "mix": mix,
}
