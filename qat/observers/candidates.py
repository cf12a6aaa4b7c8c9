"""The ways of choosing a range that QUANT.OBSERVER auto compares."""

from __future__ import annotations

from dataclasses import dataclass

from qat.observers.grid import Grid, Statistics
from qat.observers.ranges import RANGES

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
        """The real range that it chooses."""
        chooser = RANGES[self.method]
        return chooser(seen, grid) if self.percentile is None else chooser(seen, grid, self.percentile)


def candidates(method: str, percentile: float, averaging: float | None) -> tuple[Candidate, ...]:
    """What an observer set to `method` may use: itself, or for auto all, with the given percentile and constant too.

    The first is what `auto` takes among equals: min_max, all batches weighing the same.
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
