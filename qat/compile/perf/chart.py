"""The geometry of the page's bar chart: latency by artefact and runtime, with the roofline of each artefact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qat.compile.perf.report import Row
from qat.compile.perf.timing import Timing

WIDTH, LABELS, VALUES = 920, 120, 70  # the picture, left of the bars, right of them
HEAD, LINE, BAR, GAP, AXIS = 30, 24, 14, 12, 26  # heights: an artefact's title, a runtime, its bar, between, the scale
PLOT = WIDTH - LABELS - VALUES


@dataclass(frozen=True)
class Bar:
    """One runtime: its bar from the left edge to `median`, a whisker to `p90` (both x), its centre line `y`."""

    label: str
    text: str
    y: float
    median: float
    p90: float


@dataclass(frozen=True)
class Group:
    """One artefact: title at `top`, bars below, the roofline as a line at `roofline` (x) down to `bottom`."""

    title: str
    note: str
    precision: str
    top: float
    bottom: float
    roofline: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Chart:
    """The picture, in units of its viewBox; `ticks` are (x, milliseconds)."""

    height: float
    groups: tuple[Group, ...]
    ticks: tuple[tuple[float, str], ...]


def latency_chart(rows: Sequence[tuple[Row, Timing]]) -> Chart:
    """Lay out the rows, which are of one number of threads, grouped by artefact in the order in which they come."""
    longest = max((max(timing.p90_ms, row.roofline_ms) for row, timing in rows), default=1.0)
    step = tick_step(longest)
    top_ms = step * math.ceil(longest / step)
    groups: list[Group] = []
    y = 0.0
    for name in dict.fromkeys(row.artefact.name for row, _ in rows):
        groups.append(_group([pair for pair in rows if pair[0].artefact.name == name], y, PLOT / top_ms))
        y = groups[-1].bottom + GAP
    ticks = tuple((LABELS + PLOT * i * step / top_ms, f"{i * step:g}") for i in range(round(top_ms / step) + 1))
    return Chart(y + AXIS, tuple(groups), ticks)


def tick_step(longest: float, ticks: int = 8) -> float:
    """The smallest of 1, 2, 5 times a power of ten with at most `ticks` steps up to `longest`.

    >>> tick_step(73.8), tick_step(0.9), tick_step(16)
    (10.0, 0.2, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(longest / ticks))
    return next(step * power for step in (1, 2, 5, 10) if step * power * ticks >= longest)


def _group(rows: Sequence[tuple[Row, Timing]], top: float, scale: float) -> Group:
    first = rows[0][0]
    bars = tuple(
        Bar(
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
    return Group(first.artefact.name, note, first.artefact.precision, top, bottom, edge, bars)
