"""Time every artefact in every runtime that takes it, on 1, 2, 4, 8 threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qat.compile.perf.report import PerfEntry, SpeedReport, SpeedRow
from qat.compile.perf.roofline import Peaks, torch_threads
from qat.compile.perf.timing import Failure, Key, Timing, available_cores, failure_of, measure, thread_counts
from qat.environment import environment
from qat.runtimes import get_runtime, installed
from qat.runtimes.protocol import LayerTime, Session

log = logging.getLogger(__name__)

GROUPS = ("int8", "fp32")  # timed one after the other: all sessions of large pictures together take gigabytes
PEAK_TURNS = 8  # before the first round: a bench of few rounds must not take a busy moment for the peak


@dataclass(frozen=True)
class BenchSettings:
    """How to measure, and what the page says of it: `title` names the network, `command` repeats the measurement."""

    title: str
    command: str
    rounds: int = 20
    warmup: int = 3
    threads: tuple[int, ...] = thread_counts(available_cores())

    @property
    def total(self) -> int:
        """The rounds of a whole bench, as `progress` is called."""
        return len(self.threads) * len(GROUPS) * (self.warmup + self.rounds)


def bench(
    folder: Path,
    artefacts: Sequence[PerfEntry],
    x: np.ndarray,
    settings: BenchSettings,
    progress: Callable[[], None] = lambda: None,
) -> SpeedReport:
    """Time the artefacts that lie in `folder` on `x` (N, 3, H, W): a SpeedRow for each artefact, runtime and threads.

    The int8 ones are timed in turn, then the float ones. What can't be loaded or run has a row with the reason. Layers
    are timed on the most threads. `progress` is called after each round, `settings.total` times. UserError where torch
    has no int8 kernels to measure the peak with.
    """
    rows: list[SpeedRow] = []
    layers: dict[Key, list[LayerTime]] = {}
    for threads in sorted(settings.threads):
        with torch_threads(threads):
            peaks = Peaks(threads)
            every: dict[Key, Timing | Failure] = {}
            for _ in range(PEAK_TURNS):
                peaks.turn()
            for precision in GROUPS:
                group = [entry for entry in artefacts if entry.precision == precision]
                results, times = _timed(folder, group, x, settings, threads, peaks.turn, progress)
                every |= results
                layers |= times
        roofline = peaks.roofline()
        rows += [
            SpeedRow(entry, name, roofline, every[entry.name, name]) for entry in artefacts for name in entry.runtimes
        ]
    return SpeedReport(settings.title, rows, machine(x, settings), layers)


def _timed(
    folder: Path,
    group: Sequence[PerfEntry],
    x: np.ndarray,
    settings: BenchSettings,
    threads: int,
    turn: Callable[[], None],
    progress: Callable[[], None],
) -> tuple[dict[Key, Timing | Failure], dict[Key, list[LayerTime]]]:
    """The results of one group, whose sessions are all open at once, and on the most threads their layers' times."""

    def between_rounds() -> None:
        turn()
        progress()

    with ExitStack() as stack:
        sessions, refused = load_all(folder, group, threads)
        for session in sessions.values():
            stack.callback(session.close)
        results = measure(sessions, x, settings.rounds, settings.warmup, between_rounds)
        return refused | results, layer_times(sessions) if threads == max(settings.threads) else {}


def load_all(
    folder: Path, artefacts: Sequence[PerfEntry], threads: int
) -> tuple[dict[Key, Session], dict[Key, Timing | Failure]]:
    """Every artefact in every runtime that takes it, and why a session isn't there."""
    sessions: dict[Key, Session] = {}
    refused: dict[Key, Timing | Failure] = {}
    for artefact in artefacts:
        for name in artefact.runtimes:
            try:
                sessions[artefact.name, name] = get_runtime(name).load(folder / artefact.name, threads)
            except Exception as error:  # whatever it is, it must not cost the other sessions their figures
                refused[artefact.name, name] = failure_of(error)
    return sessions, refused


def layer_times(sessions: Mapping[Key, Session]) -> dict[Key, list[LayerTime]]:
    """The layers' times of the sessions that give them; one that fails at it is left out and logged."""
    result = {}
    for key, session in sessions.items():
        try:
            result[key] = session.layers()
        except Exception as error:  # the latencies are worth having without the layers
            log.warning("%s in %s: no layer times: %s", *key, failure_of(error).reason)
    return {key: layers for key, layers in result.items() if layers}


def machine(x: np.ndarray, settings: BenchSettings) -> dict[str, Any]:
    """What the figures were measured on and with, ready for JSON."""
    return {
        **environment(),
        "cores": available_cores(),
        "runtimes": installed(),
        "input": {"shape": list(x.shape), "dtype": str(x.dtype)},
        "rounds": settings.rounds,
        "warmup": settings.warmup,
        "command": settings.command,
    }
