"""A run: its folders, and the values that decide its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qat.errors import UserError
from qat.files import sha256
from qat.origin import Origin
from qat.resources import find_checkpoint
from qat.stages.folders import CHECKPOINTS, Folders
from qat.stages.record import read_record


@dataclass(frozen=True)
class Tuned:
    """What another backend takes over: its name, the values that decide it, and the folders of the run on fx."""

    backend: str
    values: Mapping[str, Any]
    folders: Folders


@dataclass(frozen=True)
class Run:
    """A run's folders and what decides its stages, each by `SECTION.KEY`, as JSON holds it.

    `weights`: the float checkpoint, as the config says it; None where no key names one. `network`: decides every stage;
    `quant`: those with an int8 grid; `kernels`: stage int_infer alone; `qat`: fine-tuning and what starts from it.
    `takes_from`: QUANT.FROM. `tuned`: where the backend isn't fx. `defaults`: of a name that an older record lacks.
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

    @property
    def weights_file(self) -> Path:
        """The float checkpoint; UserError where the config names none or there is no such file."""
        if self.weights is None:
            raise UserError("TEST.MODEL_FILE is empty; set it to the float checkpoint (.pt, .pth, .safetensors)")
        return find_checkpoint(self.weights)


def source_of(run: Run) -> str:
    """The stage that int_infer and compile start from, as QUANT.FROM says; auto: qat if it has finished.

    With another calibration or another QAT setting than now, it hasn't.
    """
    if run.takes_from != "auto":
        return run.takes_from
    record = read_record(run.folders.stage("qat"))
    finished = run.folders.checkpoint("qat").is_file() and record
    return "qat" if finished and not origin_of(run, "qat").difference(record["made_from"]) else "calib"


def origin_of(run: Run, stage: str) -> Origin:
    """What decides a stage: the float weights' hash, the values that matter, the checkpoint that it starts from."""
    before = _before(run, stage)
    values = {"float weights sha256": sha256(run.weights_file), **run.network}
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
    """What else decides a stage of another backend than fx; `scaled`: the stage whose weights and scales it has."""
    if tuned is None:
        return {}
    stage = scaled or "calib"
    checkpoint = _hash(tuned.folders.checkpoint(stage))
    return {"backend": tuned.backend, **tuned.values, f"backend fx's {stage} (sha256)": checkpoint}


def _hash(path: Path) -> str:
    return sha256(path) if path.is_file() else "missing"
