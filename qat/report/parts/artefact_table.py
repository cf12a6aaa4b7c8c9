"""The compiled files in every runtime: how close to int_infer, how fast, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qat.report.sources import Sources
from qat.report.text import NOTHING, megabytes, percent


@dataclass(frozen=True)
class Run:
    """A file in a runtime; `reason` where it didn't run."""

    runtime: str
    status: str
    agreement: str
    mean_iou: str
    milliseconds: str
    reason: str


@dataclass(frozen=True)
class File:
    """A compiled file and its runs."""

    name: str
    how: str
    megabytes: str
    sha256: str
    runs: tuple[Run, ...]


def files(sources: Sources) -> list[File]:
    """One a compiled file, as make compile listed them."""
    return [_file(name, record, sources) for name, record in sources.compiled.get("artefacts", {}).items()]


def missing(sources: Sources) -> dict[str, str]:
    """Files that make compile could not make, and why."""
    return dict(sources.compiled.get("missing", {}))


def _file(name: str, record: Mapping[str, Any], sources: Sources) -> File:
    runs = tuple(
        _run(runtime, found, sources.perf.get(name, {}).get(runtime, {}))
        for runtime, found in sources.parity.get(name, {}).items()
    )
    return File(name, record["how"], megabytes(record["bytes"]), record["sha256"], runs)


def _run(runtime: str, found: Mapping[str, Any], by_threads: Mapping[str, Mapping[str, float]]) -> Run:
    most = by_threads[max(by_threads, key=int)] if by_threads else None
    return Run(
        runtime,
        found.get("status", ""),
        percent(found.get("agreement_int_infer")),
        percent(found.get("mean_iou")),
        f"{most['median_ms']:.1f}" if most else NOTHING,
        found.get("reason", "") or found.get("note", ""),
    )
