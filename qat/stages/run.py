"""A run: its folders, their records, the values that decide its stages, and which stages have finished."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qat.errors import UserError
from qat.files import known_sha256, read_json
from qat.origin import Origin
from qat.resources import find_checkpoint
from qat.stages.folders import CHECKPOINTS, FIGURES, HANDOVER, METRICS, PERF_STAGE, PLUGIN, STAGES, Folders
from qat.stages.record import current_figures, is_current, read_record

ANYTHING = Origin({})  # pictures and labels, where nobody says which
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """What a backend takes over from fx: the backend's name, its deciding values, and the folders of the run on fx."""

    backend: str
    values: Mapping[str, Any]
    folders: Folders


@dataclass(frozen=True)
class Run:
    """A run's folders, and the values that decide its stages, each by `SECTION.KEY`, as JSON holds it.

    `weights`: the float checkpoint's path in the config; None if no key names one. `own_weights`: the digest of those
    that the network comes with, which then count; "" if it comes with none. `network`: decides every stage;
    `quant`: stages with an int8 grid; `kernels`: stage int_infer alone; `qat`: fine-tuning and stages that start from
    it. `takes_from`: QUANT.FROM. `tuned`: None on backend fx. `defaults`: values of names that older records lack.
    """

    folders: Folders
    weights: Path | None
    network: Mapping[str, Any]
    quant: Mapping[str, Any] = field(default_factory=dict)
    kernels: Mapping[str, Any] = field(default_factory=dict)
    qat: Mapping[str, Any] = field(default_factory=dict)
    takes_from: str = "auto"
    tuned: Tuned | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    own_weights: str = ""

    @property
    def weights_digest(self) -> str:
        """The SHA-256 of the float weights: of the checkpoint's file, or of the network's own."""
        return known_sha256(self.weights_file) if self.weights or not self.own_weights else self.own_weights

    @property
    def weights_file(self) -> Path:
        """The float checkpoint; UserError if the config names none or the file doesn't exist."""
        if self.weights is None:
            raise UserError("TEST.MODEL_FILE is empty; set it to the float checkpoint (.pt, .pth, .safetensors)")
        return find_checkpoint(self.weights)


def source_of(run: Run) -> str:
    """Returns the stage that int_infer and compile start from: QUANT.FROM, or for auto qat if it has finished.

    A fine-tuning from another calibration or with other QAT settings doesn't count.
    """
    if run.takes_from != "auto":
        return run.takes_from
    record = read_record(run.folders.stage("qat"))
    finished = run.folders.checkpoint("qat").is_file() and record
    return "qat" if finished and not origin_of(run, "qat").difference(record["made_from"]) else "calib"


def origin_of(run: Run, stage: str) -> Origin:
    """Returns what decides a stage: the float weights' hash, settings, and the checkpoint that it starts from."""
    before = _before(run, stage)
    weights = {"float weights sha256": run.weights_digest}
    values = {**run.network, **weights} if run.own_weights else {**weights, **run.network}  # what to name first
    if stage != "float":
        values |= run.quant
    if stage == "int_infer":
        values |= run.kernels
    if stage == "qat" or before == "qat":
        values |= run.qat
    if stage != "float":
        values |= _taken_over(run.tuned, stage if stage in CHECKPOINTS else before)
    if before:
        values[f"{before}'s checkpoint (sha256)"] = _hash(run.folders.checkpoint(before))
    return Origin(values, run.defaults)


def _before(run: Run, stage: str) -> str | None:
    """The stage whose checkpoint `stage` starts from."""
    if stage in ("float", "calib"):
        return None
    return "calib" if stage == "qat" else source_of(run)


def _taken_over(tuned: Tuned | None, scaled: str | None) -> dict[str, Any]:
    """Returns what decides a stage on another backend than fx; `scaled`: the stage whose weights and scales it has."""
    if tuned is None:
        return {}
    stage = scaled or "calib"
    checkpoint = _hash(tuned.folders.checkpoint(stage))
    return {"backend": tuned.backend, **tuned.values, f"backend fx's {stage} (sha256)": checkpoint}


def _hash(path: Path) -> str:
    return known_sha256(path) if path.is_file() else "missing"


def finished_stages(run: Run, measured_on: Origin = ANYTHING) -> dict[str, dict[str, Any]]:
    """Returns the metrics of every stage that was evaluated and is current, in stage order, by title.

    `measured_on`: what identifies pictures and labels; a stage that was measured on others isn't current.
    """
    folders = {stage: run.folders.stage(stage) for stage in STAGES[:-1]}
    found = {stage: _metrics(folder, origin_of(run, stage), measured_on) for stage, folder in folders.items()}
    for folder in sorted((run.folders.stage("compile") / "eval").glob("*")):
        origin = origin_of(run, "compiled")
        if is_evaluated(folder) and _ran_this_artefact(folder):
            found[f"compiled {folder.name}"] = _metrics(folder, origin, measured_on)
    found |= _taken_over_from_the_image(run, measured_on)
    return {title: metrics for title, metrics in found.items() if metrics is not None}


def is_evaluated(folder: Path) -> bool:
    """Whether a folder has figures, of whatever."""
    return (folder / FIGURES).is_file() or (folder / METRICS).is_file()


def _metrics(folder: Path, origin: Origin, measured_on: Origin) -> dict[str, Any] | None:
    """A folder's metrics, if they are of `origin`; those of an older version don't say what they were measured on."""
    if not is_evaluated(folder) or not is_current(folder, origin):
        return None
    if not (folder / FIGURES).is_file():
        return read_metrics(folder / METRICS)
    figures = current_figures(folder)
    if figures is None or origin.difference(figures.record["made_from"]):
        return None
    if difference := measured_on.difference(figures.measured_on):
        _log.info("left out, for it was measured on others: %s has %s", folder, difference)
        return None
    return dict(figures.metrics)


def _taken_over_from_the_image(run: Run, measured_on: Origin) -> dict[str, dict[str, Any] | None]:
    """The plugin's stages of the bundle that is current, by title."""
    folders = [run.folders.stage(PLUGIN) / stage for stage in (*STAGES[1:-1], PERF_STAGE)]
    return {f"{PLUGIN} {folder.name}": _metrics(folder, origin_of(run, HANDOVER), measured_on) for folder in folders}


_READ: Mapping[str, Any] = {  # of metrics: what tables and gates read, null without labels
    "mean_iou": (float, int, type(None)),
    "class_iou": dict,
    "images": int,
    "image_list": str,
}


def read_metrics(path: Path) -> dict[str, Any]:
    """Reads an older version's metrics; UserError if the file holds something else."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        name in content and isinstance(content[name], kind) for name, kind in _READ.items()
    ):
        raise UserError(f"{path} holds no metrics of a stage; delete it and evaluate the stage again")
    return content


def _ran_this_artefact(folder: Path) -> bool:
    """Whether the evaluated artefact is the one in the compile folder now."""
    record = read_record(folder)
    artefact = folder.parent.parent / record.get("artefact", "")
    return artefact.is_file() and bool(known_sha256(artefact) == record["artefact_sha256"])
