"""The observers by name: each goes from statistics to a range (low, high), and `auto` compares them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qat.observers.grid import Grid, Statistics
from qat.observers.kl import kl
from qat.observers.mse import mse
from qat.observers.percentile import mix, percentile


def min_max(seen: Statistics, grid: Grid) -> tuple[float, float]:
    """The range from the lowest to the highest value."""
    return seen.low, seen.high


RANGES: dict[str, Callable[..., tuple[float, float]]] = {
    "min_max": min_max,
    "percentile": percentile,
    "mse": mse,
    "kl": kl,
    "mix": mix,
}


AUTO = "auto"
OBSERVERS = (*RANGES, AUTO)
PERCENTILES = (99.9, 99.99, 99.999)
AVERAGING = (None, 0.01, 0.1)  # 0.01 is the plugin's own constant


@dataclass(frozen=True)
class Candidate:
    """An observer: its method, its share where the method is percentile, its averaging constant."""

    method: str
    percentile: float | None = None
    averaging: float | None = None

    @property
    def label(self) -> str:
        """The observer's name, with its share.

        >>> Candidate("percentile", 99.99, 0.1).label
        'percentile 99.99'
        """
        return self.method if self.percentile is None else f"{self.method} {self.percentile}"

    def range(self, seen: Statistics, grid: Grid) -> tuple[float, float]:
        """The range of real values that the observer chooses."""
        chooser = RANGES[self.method]
        return chooser(seen, grid) if self.percentile is None else chooser(seen, grid, self.percentile)


def candidates(method: str, percentile: float, averaging: float | None) -> tuple[Candidate, ...]:
    """The observers that `method` allows: one for its own name; for auto all, also with this percentile and constant.

    Among equals `auto` takes the first: min_max, with all batches weighing the same.
    """
    if method != AUTO:
        return (Candidate(method, percentile if method == "percentile" else None, averaging),)
    shares = sorted({*PERCENTILES, percentile})
    return tuple(
        Candidate(name, share, constant)
        for constant in dict.fromkeys((*AVERAGING, averaging))
        for name in RANGES
        for share in (shares if name == "percentile" else [None])
    )
