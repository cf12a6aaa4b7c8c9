"""The percentile of least squared error: the plugin's `mix`."""

from __future__ import annotations

from qat.observers.grid import Grid, Statistics
from qat.observers.line_search import Range
from qat.observers.mse import squared_errors
from qat.observers.percentile import percentile

# the plugin's documents don't list its percentiles; these cut from one value in a hundred to none
SHARES = (99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999, 99.9995, 99.9999, 100.0)


def mix(seen: Statistics, grid: Grid) -> Range:
    """The range with the best L2 error among the percentiles `SHARES`; the narrowest where several are equal."""
    ranges = [percentile(seen, grid, share) for share in SHARES]
    return ranges[int(squared_errors(seen, ranges, grid).argmin())]
