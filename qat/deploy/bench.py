"""The network alone, on 1, 2, 4 and 8 threads, with the file's size, its parameters and multiply-accumulates."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from qat.deploy.metadata import read_facts
from qat.deploy.model import example_input
from qat.deploy.sessions import Profiled, Row, chosen, open_session
from qat.errors import UserError, as_user_error

THREADS = (1, 2, 4, 8)
WARMUP = 3  # untimed runs
PARTS = {".xml": ".bin", ".param": ".bin"}  # where a file's weights lie beside it


@dataclass(frozen=True)
class Speed:
    """A file in a runtime: bytes with its parts, and the median of its runs in milliseconds by number of threads."""

    file: str
    network: str
    runtime: str
    bytes: int
    parameters: int
    macs: int
    milliseconds: dict[int, float]


def thread_counts() -> tuple[int, ...]:
    """1, 2, 4 and 8, up to the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return tuple(count for count in THREADS if count <= cores)


def bench(path: Path, runtime: str, threads: Sequence[int], rounds: int, device: str = "") -> Speed:
    """Time a file.

    Args:
        path: the file.
        runtime: as for `qat.deploy.model.open_model`.
        threads: numbers of threads, one session each.
        rounds: timed runs of each.
        device: as for `open_model`.

    Returns:
        Its speed on a picture of noise.

    Raises:
        UserError: as `open_model`; for `rounds` below 1.
    """
    if rounds < 1:
        raise UserError(f"--rounds is {rounds}; expected 1 or more")
    facts = read_facts(path)
    row = chosen(path, runtime, facts.form)
    times = {count: _median_ms(path, row, count, rounds, device) for count in threads}
    return Speed(path.name, facts.network, row.name, size_of(path), facts.parameters, facts.macs, times)


def size_of(path: Path) -> int:
    """Bytes of a file, with the weights that lie beside it."""
    beside = path.with_suffix(PARTS.get(path.suffix, path.suffix))
    return sum(file.stat().st_size for file in {path, beside} if file.is_file())


def _median_ms(path: Path, row: Row, threads: int, rounds: int, device: str) -> float:
    session, x = open_session(path, row, threads, device), example_input(read_facts(path))
    seconds = []
    with as_user_error(f"{row.name} can't run {path}"):
        if isinstance(session, Profiled):
            return session.profile(x, rounds)
        for _ in range(WARMUP + rounds):
            start = time.perf_counter()
            session.run(x)
            seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds[WARMUP:])


def bench_lines(speed: Speed) -> list[str]:
    """A table of one file.

    >>> print("\\n".join(bench_lines(Speed("a.mnn", "pidnet_s", "mnn", 31 << 20, 7_600_000, 5_900_000_000, {1: 61.2}))))
    pidnet_s, a.mnn in mnn: 31.0 MiB, 7.60 million parameters, 5.90 GMACs
    threads  median ms  per second
          1       61.2        16.3
    """
    million, giga = speed.parameters / 1e6, speed.macs / 1e9
    sizes = f"{speed.bytes / (1 << 20):.1f} MiB, {million:.2f} million parameters, {giga:.2f} GMACs"
    rows = [f"{count:7}  {time:9.1f}  {1000 / time:10.1f}" for count, time in speed.milliseconds.items()]
    return [f"{speed.network}, {speed.file} in {speed.runtime}: {sizes}", "threads  median ms  per second", *rows]
