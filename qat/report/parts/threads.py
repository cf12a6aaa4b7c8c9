"""Speed by threads: a line for the fastest file of each runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 480, 200  # of the plot, in units of its viewBox
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: for any colour vision


@dataclass(frozen=True)
class ThreadLine:
    """A runtime's fastest file: its points, "x,y ...", where its line ends, and its pictures a second in words."""

    runtime: str
    artefact: str
    colour: str
    points: str
    end: tuple[float, float]
    figures: str


@dataclass(frozen=True)
class ThreadPlot:
    """The lines; `ticks`: x and number of threads; `most`: pictures a second at the plot's top."""

    lines: tuple[ThreadLine, ...]
    ticks: tuple[tuple[float, int], ...]
    most: str
    facts: str


def thread_plot(threads: Mapping[str, Any]) -> ThreadPlot | None:
    """The plot of threads.json's content; None where nothing was timed."""
    rows = [row for row in threads.get("rows", []) if row["milliseconds"]]
    if not rows:
        return None
    counts = sorted({int(count) for row in rows for count in row["milliseconds"]})
    chosen = [_fastest(runtime, rows) for runtime in dict.fromkeys(row["runtime"] for row in rows)]
    most = max(1000 / time for row in chosen for time in row["milliseconds"].values())
    lines = [_line(row, counts, most, colour) for row, colour in zip(chosen, _COLOURS, strict=False)]
    machine = threads["machine"]
    facts = f"{machine['cpu']}, {machine['cores']} cores; the fastest file of each runtime"
    return ThreadPlot(tuple(lines), tuple((_across(count, counts), count) for count in counts), f"{most:.1f}", facts)


def _fastest(runtime: str, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    own = [row for row in rows if row["runtime"] == runtime]
    return min(own, key=lambda row: min(row["milliseconds"].values()))


def _line(row: Mapping[str, Any], counts: Sequence[int], most: float, colour: str) -> ThreadLine:
    speeds = {int(count): 1000 / time for count, time in row["milliseconds"].items()}
    places = [(_across(count, counts), round(HEIGHT * (1 - speed / most), 1)) for count, speed in speeds.items()]
    points = " ".join(f"{x},{y}" for x, y in places)
    figures = ", ".join(f"{speed:.1f} on {count}" for count, speed in speeds.items())
    return ThreadLine(row["runtime"], row["artefact"], colour, points, places[-1], figures)


def _across(count: int, counts: Sequence[int]) -> float:
    """By the logarithm of the number of threads."""
    span = math.log2(counts[-1] / counts[0]) or 1.0
    return round(WIDTH * math.log2(count / counts[0]) / span, 1)
