"""How long a run takes: sessions timed in turn, so that noise of a shared machine hits all of them alike.

A session at work has its weights in the caches and its memory at hand. After another's turn it has neither: PIDNet-S'
first run took 1.5 to 2 times its third in TorchScript and OpenVINO. So a turn is a few runs, and the first don't count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qat.runtimes.protocol import Session

Key = tuple[str, str]  # artefact file name, runtime

THREADS = (1, 2, 4, 8)
SETTLING, COUNTED = 2, 2  # runs of a turn: first to be as if alone, then to be timed


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

    A round has COUNTED timed runs of each session. One that raises has a Failure and no further turn; the others go on.
    `progress` is called after each round.
    """
    pictures = {key: picture_for(session, x) for key, session in sessions.items()}
    seconds: dict[Key, list[float]] = {key: [] for key in sessions}
    failures: dict[Key, Failure] = {}
    for _ in range(warmup + rounds):
        for key, session in sessions.items():
            if key not in failures:
                try:
                    seconds[key] += session.time(pictures[key], SETTLING + COUNTED)[SETTLING:]
                except Exception as error:  # whatever it is, it must not cost the other sessions their figures
                    failures[key] = failure_of(error)
        progress()
    return {key: failures.get(key) or summarise(seconds[key][warmup * COUNTED :]) for key in sessions}


def picture_for(session: Session, x: np.ndarray) -> np.ndarray:
    """`x`, or as much noise in bytes for an artefact that takes raw pictures: what they show doesn't matter."""
    if session.artefact.dtype in (None, x.dtype):
        return x
    return (x * 64 + 128).clip(0, 255).astype(session.artefact.dtype)
