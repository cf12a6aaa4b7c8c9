"""How long a run takes: sessions timed in turn, so that noise of a shared machine hits all of them alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qat.runtimes.protocol import Session

Key = tuple[str, str]  # artefact file name, runtime

THREADS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one run: the median, and what nine runs of ten stay below."""

    median_ms: float
    p90_ms: float

    @property
    def fps(self) -> float:
        """Runs a second at the median."""
        return 1000 / self.median_ms


@dataclass(frozen=True)
class Failure:
    """Why there is no timing, in one line."""

    reason: str


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_counts(cores: int) -> tuple[int, ...]:
    """1, 2, 4 and 8, as far as there are cores.

    >>> thread_counts(6)
    (1, 2, 4)
    """
    return tuple(count for count in THREADS if count <= cores) or THREADS[:1]


def summarise(seconds: Sequence[float]) -> Timing:
    """Median and 90th percentile (linear between neighbours) of at least one run.

    >>> summarise([0.001, 0.002, 0.003])
    Timing(median_ms=2.0, p90_ms=2.8)
    """
    median, p90 = np.percentile(np.asarray(seconds) * 1e3, (50, 90))
    return Timing(float(round(median, 6)), float(round(p90, 6)))


def failure_of(error: Exception) -> Failure:
    """An exception as one line; its type where it has no text.

    >>> failure_of(RuntimeError("no such op\\nat line 3"))
    Failure(reason='no such op')
    """
    lines = str(error).strip().splitlines()
    return Failure(lines[0] if lines else type(error).__name__)


def measure(
    sessions: Mapping[Key, Session],
    x: np.ndarray,
    rounds: int,
    warmup: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[Key, Timing | Failure]:
    """Time every session on `x` (N, 3, H, W): A B C, A B C, ...; the first `warmup` rounds don't count.

    A session that raises has a Failure and no further turn; the others go on. `progress` is called after each round.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in sessions}
    failures: dict[Key, Failure] = {}
    for _ in range(warmup + rounds):
        for key, session in sessions.items():
            if key not in failures:
                try:
                    seconds[key].append(_turn(session, x))
                except Exception as error:  # runtimes raise types of their own, and one must not cost the others
                    failures[key] = failure_of(error)
        progress()
    return {key: failures.get(key) or summarise(seconds[key][warmup:]) for key in sessions}


def _turn(session: Session, x: np.ndarray) -> float:
    """Seconds of one run; a session in a child process measures there, without the way of `x` to it."""
    timed = getattr(session, "time", None)
    if timed is not None:
        return float(timed(x, 1)[0])
    start = time.perf_counter()
    session.run(x)
    return time.perf_counter() - start
