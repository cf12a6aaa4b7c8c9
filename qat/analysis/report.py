"""The debug folder: everything that was found, as JSON, text and the network's picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qat.analysis.advice import Measurements
from qat.analysis.qconfig_text import as_text
from qat.compile.picture import write_picture
from qat.files import write_json, write_text
from qat.program.steps import Program

FILES = ("layers", "ranges", "sensitivity", "qconfig")


def write_measurements(
    folder: Path, measured: Measurements, advice: Mapping[str, Any], program: Program, title: str
) -> None:
    """Fill `folder`: one JSON file for each of FILES (no sensitivity where it wasn't measured), advice.json, pictures.

    In graph.html `#node-<layer>` selects a layer and shows its errors. UserError where the folder can't be written.
    """
    for name in FILES:
        if getattr(measured, name) is not None:
            write_json(folder / f"{name}.json", getattr(measured, name))
    write_json(folder / "advice.json", advice)
    write_text(folder / "qconfig_info.txt", as_text(measured.qconfig))
    write_picture(program, folder, title, errors_of(measured.layers))


def errors_of(layers: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Layer -> measure -> value, as the picture shows them: calib against float."""
    return {row["name"]: _measures(row) for row in layers["pairs"]["calib"]["layers"]}


def _measures(row: dict[str, Any]) -> dict[str, float]:
    titles = {"sqnr_db": "SQNR (dB)", "cosine": "cosine", "max_steps": "max in scale steps"}
    kinds = ("isolated", "accumulated")
    found = {f"{kind} {title}": row[kind][key] for kind in kinds for key, title in titles.items()}
    return {title: value for title, value in found.items() if value is not None}
