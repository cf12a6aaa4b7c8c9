"""The files of a report: JSON, and perf.html, one page without other files to read on a screen or on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from qat.compile.perf.report import SpeedReport, SpeedRow, reasons
from qat.compile.perf.timing import COUNTED, SETTLING, Key, Timing
from qat.files import write_json, write_text
from qat.html import templates, tick_step
from qat.runtimes.protocol import LayerTime
from qat.stages.folders import PERF

TOP = 20  # layers shown of each runtime
WIDTH, LABELS, VALUES = 920, 120, 70  # the picture, left of the bars, right of them
HEAD, LINE, BAR, GAP, AXIS = 30, 24, 14, 12, 26  # heights: an artefact's title, a runtime, its bar, between, the scale
PLOT = WIDTH - LABELS - VALUES


@dataclass(frozen=True)
class Scaling:
    """One artefact in one runtime: milliseconds by threads, None where it failed; speed-up from the fewest."""

    artefact: str
    runtime: str
    cells: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class LayerTable:
    """The slowest layers of a run, the share of its time in each precision, and how many layers there are."""

    artefact: str
    runtime: str
    total_ms: float
    count: int
    precisions: tuple[tuple[str, int, float], ...]  # precision, layers, fraction of the time
    top: tuple[LayerTime, ...]


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


def write_report(report: SpeedReport, folder: Path) -> None:
    """Write all four into `folder`, each whole or not at all; UserError when that isn't possible."""
    write_json(folder / PERF, perf_json(report))
    write_json(folder / "machine.json", machine_json(report))
    write_json(folder / "layers.json", layers_json(report))
    write_text(folder / "perf.html", page(report))


def perf_json(report: SpeedReport) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Artefact -> runtime -> threads -> figures; what could not be measured isn't in it."""
    result: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for row, timing in report.measured:
        by_threads = result.setdefault(row.artefact.name, {}).setdefault(row.runtime, {})
        by_threads[str(row.threads)] = row.figures(timing)
    return result


def machine_json(report: SpeedReport) -> dict[str, Any]:
    """The machine, its peaks by threads, and the rows without a timing with their status and reason."""
    failed = [
        {
            "artefact": row.artefact.name,
            "runtime": row.runtime,
            "threads": row.threads,
            "status": "failed",
            "reason": failure.reason,
        }
        for row, failure in report.failed
    ]
    peaks = {str(threads): asdict(roofline) for threads, roofline in sorted(report.rooflines.items())}
    return {**report.machine, "threads_measured": list(report.threads), "roofline": peaks, "failed": failed}


def layers_json(report: SpeedReport) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Artefact -> runtime -> layers in the order in which the runtime runs them, on the most threads measured."""
    result: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for (artefact, runtime), layers in report.layers.items():
        result.setdefault(artefact, {})[runtime] = [
            {"name": layer.name, "kind": layer.kind, "precision": layer.precision, "ms": layer.milliseconds}
            for layer in layers
        ]
    return result


def page(report: SpeedReport) -> str:
    """The report as HTML (also well-formed XML), which loads no other file."""
    most = max(report.threads, default=1)
    shown = [(row, timing) for row, timing in report.measured if row.threads == most]
    return (
        templates("qat.compile.perf")
        .get_template("perf.html.j2")
        .render(
            report=report,
            most=most,
            rows=shown,
            best=best(shown),
            chart=latency_chart(shown),
            scaling=scaling(report),
            layers=[layer_table(key, layers) for key, layers in report.layers.items()],
            reasons=reasons(report),
            settling=SETTLING,
            counted=COUNTED,
        )
    )


def best(rows: Sequence[tuple[SpeedRow, Timing]]) -> dict[str, tuple[SpeedRow, Timing]]:
    """Precision -> the row with the lowest median."""
    result: dict[str, tuple[SpeedRow, Timing]] = {}
    for row, timing in sorted(rows, key=lambda pair: pair[1].median_ms):
        result.setdefault(row.artefact.precision, (row, timing))
    return result


def scaling(report: SpeedReport) -> list[Scaling]:
    """Medians of every artefact and runtime across the numbers of threads."""
    times: dict[Key, dict[int, float]] = {}
    for row, timing in report.measured:
        times.setdefault((row.artefact.name, row.runtime), {})[row.threads] = timing.median_ms
    return [
        Scaling(*key, tuple((ms[n], ms[min(ms)] / ms[n]) if n in ms else None for n in report.threads))
        for key, ms in times.items()
    ]


def layer_table(key: Key, layers: Sequence[LayerTime]) -> LayerTable:
    """The TOP slowest of `layers`, slowest first, and the sums over all of them."""
    total = sum(layer.milliseconds for layer in layers)
    by_precision = sorted(layers, key=lambda layer: layer.precision)
    grouped = {name: list(group) for name, group in groupby(by_precision, key=lambda layer: layer.precision)}
    shares = [(name, len(group), _share(group, total)) for name, group in grouped.items()]
    slowest = sorted(layers, key=lambda layer: -layer.milliseconds)[:TOP]
    return LayerTable(*key, total, len(layers), tuple(sorted(shares, key=lambda share: -share[2])), tuple(slowest))


def _share(layers: Sequence[LayerTime], total: float) -> float:
    return sum(layer.milliseconds for layer in layers) / total if total else 0.0


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
