"""The geometry of the page's bar chart: latency by artefact and runtime, with the roofline of each artefact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qat.compile.perf.report import SpeedRow
from qat.compile.perf.timing import Timing
from qat.html import tick_step

WIDTH, LABELS, VALUES = 920, 120, 70  # the picture, left of the bars, right of them
HEAD, LINE, BAR, GAP, AXIS = 30, 24, 14, 12, 26  # heights: an artefact's title, a runtime, its bar, between, the scale
PLOT = WIDTH - LABELS - VALUES


@dataclass(frozen=True)
class LatencyBar:
    """One runtime: its bar from the left edge to `median`, a whisker to `p90` (both x), its centre line `y`."""

    label: str
    text: str
    y: float
    median: float
    p90: float


@dataclass(frozen=True)
class LatencyGroup:
    """One artefact: title at `top`, bars below, the roofline as a line at `roofline` (x) down to `bottom`."""

    title: str
    note: str
    precision: str
    top: float
    bottom: float
    roofline: float
    bars: tuple[LatencyBar, ...]


@dataclass(frozen=True)
class LatencyChart:
    """The picture, in units of its viewBox; `ticks` are (x, milliseconds)."""

    height: float
    groups: tuple[LatencyGroup, ...]
    ticks: tuple[tuple[float, str], ...]


def latency_chart(rows: Sequence[tuple[SpeedRow, Timing]]) -> LatencyChart:
    """Lay out the rows, which are of one number of threads, grouped by artefact in the order in which they come."""
    longest = max((max(timing.p90_ms, row.roofline_ms) for row, timing in rows), default=1.0)
    step = tick_step(longest)
    top_ms = step * math.ceil(longest / step)
    groups: list[LatencyGroup] = []
    y = 0.0
    for name in dict.fromkeys(row.artefact.name for row, _ in rows):
        groups.append(_group([pair for pair in rows if pair[0].artefact.name == name], y, PLOT / top_ms))
        y = groups[-1].bottom + GAP
    ticks = tuple((LABELS + PLOT * i * step / top_ms, f"{i * step:g}") for i in range(round(top_ms / step) + 1))
    return LatencyChart(y + AXIS, tuple(groups), ticks)


def _group(rows: Sequence[tuple[SpeedRow, Timing]], top: float, scale: float) -> LatencyGroup:
    first = rows[0][0]
    bars = tuple(
        LatencyBar(
            row.runtime,
            f"{timing.median_ms:.1f} ms",
            top + HEAD + LINE * (i + 0.5),
            LABELS + scale * timing.median_ms,
            LABELS + scale * timing.p90_ms,
        )
        for i, (row, timing) in enumerate(rows)
    )
    note = f"{first.artefact.precision}, roofline {first.roofline_ms:.1f} ms"
    bottom = top + HEAD + LINE * len(rows)
    edge = LABELS + scale * first.roofline_ms
    return LatencyGroup(first.artefact.name, note, first.artefact.precision, top, bottom, edge, bars)
