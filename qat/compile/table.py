"""Parity as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from qat.tables import slim_table

CAPTION = (
    "In percent of pixels, mIoU in percent. refer.: the file with nothing fused against stage calib, of float files "
    "against float; int8: against int_infer; float: pixels changed against float; convs: executed in int8."
)


COLUMNS = ("artefact", "runtime", "same as\nrefer.", "same as\nint8", "changed\nfloat", "mIoU", "int8\nconvs", "status")


def parity_table(parity: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """One row per artefact and runtime."""
    table = slim_table(COLUMNS, left=("artefact", "runtime", "status"), caption=CAPTION)
    for name, runtimes in parity.items():
        for runtime, entry in runtimes.items():
            table.add_row(name, runtime, *_figures(entry), _convolutions(entry), entry["status"])
    return table


def _figures(entry: Mapping[str, Any]) -> list[str]:
    keys = ("agreement_reference", "agreement_int_infer", "pixels_changed", "mean_iou")
    return [
        f"{100 * entry[key]:.{2 if key == 'mean_iou' else 3}f}" if entry.get(key) is not None else "" for key in keys
    ]


def _convolutions(entry: Mapping[str, Any]) -> str:
    return f"{entry['convolutions_int8']}/{entry['convolutions']}" if "convolutions" in entry else ""


def faults(parity: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A line for each artefact in a runtime that failed or was refused."""
    return [
        f"{name} in {runtime} {entry['status']}: {entry['reason']}"
        for name, runtimes in parity.items()
        for runtime, entry in runtimes.items()
        if entry["status"] != "ok"
    ]
