"""The files that hold a report: perf.json, machine.json, layers.json and perf.html."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from qat.compile.perf.page import page
from qat.compile.perf.report import SpeedReport
from qat.files import write_json, write_text


def write_report(report: SpeedReport, folder: Path) -> None:
    """Write all four into `folder`, each whole or not at all; UserError when that isn't possible."""
    write_json(folder / "perf.json", perf_json(report))
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
