"""How each file's time falls with threads: one child process for each file, runtime and number, nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.table import Table

from qat.compile.perf.report import PerfEntry
from qat.compile.perf.timing import failure_of, picture_for
from qat.errors import UserError
from qat.runtimes import get_runtime
from qat.runtimes.child_process import Isolated
from qat.tables import slim_table

WARMUP = 3  # untimed runs of a session


@dataclass(frozen=True)
class ThreadRow:
    """A file in a runtime: the median of its runs in milliseconds by number of threads, and why one is missing."""

    artefact: str
    runtime: str
    bytes: int
    macs: int
    milliseconds: Mapping[int, float]
    why: str = ""


@dataclass(frozen=True)
class ThreadReport:
    """The rows, the parameters of the network, and the machine."""

    title: str
    parameters: int
    rows: tuple[ThreadRow, ...]
    machine: Mapping[str, Any]

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of threads that a row has."""
        return tuple(sorted({count for row in self.rows for count in row.milliseconds}))


def thread_rows(
    folder: Path,
    artefacts: Sequence[PerfEntry],
    x: np.ndarray,
    counts: Sequence[int],
    rounds: int,
    progress: Callable[[], None] = lambda: None,
) -> tuple[ThreadRow, ...]:
    """Time the files.

    Args:
        folder: where they lie.
        artefacts: the files, with the runtimes that run each.
        x: a batch (N, 3, H, W).
        counts: numbers of threads.
        rounds: timed runs of each.
        progress: called after each file, runtime and number of threads.

    Returns:
        A row for each file and runtime; what can't run says why.
    """
    rows = []
    for entry in artefacts:
        for runtime in entry.runtimes:
            times, why = {}, ""
            for count in counts:
                try:
                    times[count] = _milliseconds(runtime, folder / entry.name, x, count, rounds)
                except UserError as error:
                    why = failure_of(error).reason
                progress()
            rows.append(ThreadRow(entry.name, runtime, entry.bytes, entry.macs, times, why))
    return tuple(rows)


def _milliseconds(runtime: str, path: Path, x: np.ndarray, threads: int, rounds: int) -> float:
    with closing(Isolated(get_runtime(runtime)).load(path, threads)) as session:
        return 1000 * median(session.time(picture_for(session, x), WARMUP + rounds)[WARMUP:])


def thread_table(report: ThreadReport) -> Table:
    """A row a file and runtime, a column a number of threads."""
    table = slim_table(
        ("artefact", "runtime", "MB", *(f"{count}\nms" for count in report.counts)), left=("artefact", "runtime")
    )
    for row in report.rows:
        times = [f"{row.milliseconds[count]:.1f}" if count in row.milliseconds else "" for count in report.counts]
        table.add_row(row.artefact, row.runtime, f"{row.bytes / 1e6:.1f}", *times)
    return table


def facts_line(report: ThreadReport) -> str:
    """The network's size in words."""
    macs = max((row.macs for row in report.rows), default=0)
    return (
        f"{report.title}: {report.parameters / 1e6:.2f} million parameters, {macs / 1e9:.2f} GMACs; medians, by threads"
    )
