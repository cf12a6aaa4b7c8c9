"""The stages of a run that were evaluated with its weights and config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qat.files import read_json, sha256
from qat.origin import Origin
from qat.stages.folders import METRICS, STAGES
from qat.stages.record import is_current, read_record
from qat.stages.run import Run, origin_of


def finished_stages(run: Run) -> dict[str, dict[str, Any]]:
    """metrics.json of every stage that was evaluated and is current, in stage order, by title."""
    folders = {stage: run.folders.stage(stage) for stage in STAGES[:-1]}
    found = {stage: folder for stage, folder in folders.items() if _is_evaluated(run, stage, folder)}
    for folder in sorted((run.folders.stage("compile") / "eval").glob("*")):
        if (folder / METRICS).is_file() and _ran_this_artefact(folder, origin_of(run, "compiled")):
            found[f"compiled {folder.name}"] = folder
    return {title: read_json(folder / METRICS) for title, folder in found.items()}


def _is_evaluated(run: Run, stage: str, folder: Path) -> bool:
    return (folder / METRICS).is_file() and is_current(folder, origin_of(run, stage))


def _ran_this_artefact(folder: Path, origin: Origin) -> bool:
    """Whether the artefact that was evaluated there is the one that lies in the compile folder now."""
    record = read_record(folder)
    artefact = folder.parent.parent / record.get("artefact", "")
    return artefact.is_file() and sha256(artefact) == record["artefact_sha256"] and is_current(folder, origin)
