"""perf.html: one page that holds all it needs, to read on a screen or on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from qat.compile.perf.chart import latency_chart
from qat.compile.perf.report import SpeedReport, SpeedRow
from qat.compile.perf.table import reasons
from qat.compile.perf.timing import COUNTED, SETTLING, Key, Timing
from qat.html import templates
from qat.runtimes.protocol import LayerTime

TOP = 20  # layers shown of each runtime


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


def page(report: SpeedReport) -> str:
    """The report as HTML (also well-formed XML), without anything from elsewhere."""
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
