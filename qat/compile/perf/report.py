"""The measurements: rows of artefact, runtime and threads, figures derived from them, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from qat.compile.artefacts import INT8_KINDS
from qat.compile.perf.roofline import Roofline
from qat.compile.perf.timing import Failure, Key, Timing
from qat.errors import UserError
from qat.invocation import command
from qat.runtimes.protocol import LayerTime
from qat.stages.folders import MANIFEST
from qat.tables import slim_table

COLUMNS = ("artefact", "runtime", "threads", "median\nms", "p90\nms", "FPS", "GMAC/s", "of\npeak", "peak\nms")
LEFT = ("artefact", "runtime")


@dataclass(frozen=True)
class PerfEntry:
    """A compiled file as the manifest lists it: name in the folder, bytes, runtimes that take it, MACs of one run."""

    name: str
    kind: str
    bytes: int
    runtimes: tuple[str, ...]
    macs: int

    @property
    def precision(self) -> str:
        """What it computes in, hence which peak it is held against: int8 or fp32."""
        return "int8" if self.kind in INT8_KINDS else "fp32"


def artefacts_of(manifest: Mapping[str, Any]) -> list[PerfEntry]:
    """The artefacts that a compile folder's manifest lists; UserError when it lists none or lacks a key."""
    try:
        entries = [
            PerfEntry(name, entry["kind"], entry["bytes"], tuple(entry["runtimes"]), entry["macs"])
            for name, entry in manifest["artefacts"].items()
        ]
    except KeyError as error:
        raise UserError(f"{MANIFEST} of the compile folder lacks {error}; rerun {command('compile')}") from error
    if not entries:
        raise UserError(f"{MANIFEST} of the compile folder lists no artefacts; rerun {command('compile')}")
    return entries


@dataclass(frozen=True)
class SpeedRow:
    """One artefact in one runtime on `roofline.threads` threads: its timing, or why there is none."""

    artefact: PerfEntry
    runtime: str
    roofline: Roofline
    result: Timing | Failure

    @property
    def threads(self) -> int:
        """The threads that the run used."""
        return self.roofline.threads

    @property
    def roofline_ms(self) -> float:
        """The time that the artefact's MACs take at this CPU's peak in its precision."""
        return self.roofline.milliseconds(self.artefact.macs, self.artefact.precision)

    def figures(self, timing: Timing) -> dict[str, float]:
        """`timing` as perf.json has it: ms, runs a second, GMAC/s achieved, and as a fraction of the peak."""
        rate = self.artefact.macs / timing.median_ms / 1e6
        return {
            "median_ms": timing.median_ms,
            "p90_ms": timing.p90_ms,
            "fps": timing.fps,
            "gmacs_per_s": rate,
            "share_of_roofline": rate / self.roofline.peak(self.artefact.precision),
        }


@dataclass(frozen=True)
class SpeedReport:
    """All rows, the layers' times where a runtime gives them, and what the figures were measured on and with.

    `machine` is ready for JSON: `qat.environment.environment()`, the runtimes' versions, rounds, input, command.
    """

    title: str
    rows: Sequence[SpeedRow]
    machine: Mapping[str, Any]
    layers: Mapping[Key, Sequence[LayerTime]] = field(default_factory=dict)

    @property
    def threads(self) -> tuple[int, ...]:
        """The numbers of threads that were measured, ascending."""
        return tuple(sorted({row.threads for row in self.rows}))

    @property
    def measured(self) -> list[tuple[SpeedRow, Timing]]:
        """The rows that have a timing."""
        return [(row, row.result) for row in self.rows if isinstance(row.result, Timing)]

    @property
    def failed(self) -> list[tuple[SpeedRow, Failure]]:
        """The rows that have none."""
        return [(row, row.result) for row in self.rows if isinstance(row.result, Failure)]

    @property
    def rooflines(self) -> dict[int, Roofline]:
        """This CPU's peaks for each number of threads."""
        return {row.threads: row.roofline for row in self.rows}


def perf_table(report: SpeedReport) -> Table:
    """A row for each artefact, runtime and number of threads; below, the peaks that `of peak` refers to."""
    table = slim_table(COLUMNS, left=LEFT, wraps=("artefact",), caption=_caption(report))
    for row in report.rows:
        table.add_row(*_cells(row))
    return table


def reasons(report: SpeedReport) -> list[str]:
    """A line for each row without a timing, once for all its threads."""
    lines = [f"{row.artefact.name} in {row.runtime}: {failure.reason}" for row, failure in report.failed]
    return list(dict.fromkeys(lines))


def _cells(row: SpeedRow) -> list[str]:
    named = [row.artefact.name, row.runtime, str(row.threads)]
    if isinstance(row.result, Failure):
        return [*named, "failed"]
    figures = row.figures(row.result)
    return [
        *named,
        f"{figures['median_ms']:.1f}",
        f"{figures['p90_ms']:.1f}",
        f"{figures['fps']:.1f}",
        f"{figures['gmacs_per_s']:.0f}",
        f"{figures['share_of_roofline']:.0%}",
        f"{row.roofline_ms:.1f}",
    ]


def _caption(report: SpeedReport) -> str:
    peaks = [
        f"{threads} thread{'s' if threads > 1 else ''}: {peak.int8_gmacs:.0f} GMAC/s int8, {peak.fp32_gmacs:.0f} fp32, "
        f"copy {peak.copy_gb_per_s:.0f} GB/s"
        for threads, peak in sorted(report.rooflines.items())
    ]
    return "\n".join(["Peaks measured on this CPU (peak ms: the artefact's MACs at the peak)", *peaks])
