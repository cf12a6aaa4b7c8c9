"""For callers that still hand a config down; goes when none is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat import stages as room
from qat.origin import Origin
from qat.stages import CHECKPOINTS as SCALED
from qat.stages import STAGES
from qat.workflow.load import (
    device,
    example_input,
    load_calibration,
    load_float,
    load_plain,
    load_prepared,
    load_stage,
    stage_device,
)
from qat.workflow.run import folders_of, record_stage, run_of, twin
from qat.workflow.sized import Sized

__all__ = [
    "SCALED",
    "STAGES",
    "Sized",
    "checkpoint",
    "device",
    "example_input",
    "finished_stages",
    "load_calibration",
    "load_float",
    "load_plain",
    "load_prepared",
    "load_stage",
    "made_from",
    "model_file",
    "previous_manifest",
    "source",
    "stage_device",
    "stage_folder",
    "title",
    "twin",
    "write_provenance",
]
write_provenance = record_stage


def made_from(cfg: CfgNode, stage: str) -> Origin:
    """What decides a stage."""
    return room.origin_of(run_of(cfg), stage)


def source(cfg: CfgNode) -> str:
    """What int_infer and compile start from."""
    return room.source_of(run_of(cfg))


def stage_folder(cfg: CfgNode, stage: str) -> Path:
    """A stage's folder."""
    return folders_of(cfg).stage(stage)


def checkpoint(cfg: CfgNode, stage: str) -> Path:
    """A stage's checkpoint."""
    return folders_of(cfg).checkpoint(stage)


def title(cfg: CfgNode, stage: str) -> str:
    """A stage's title."""
    return folders_of(cfg).title(stage)


def model_file(cfg: CfgNode) -> Path:
    """The float checkpoint."""
    return run_of(cfg).weights_file


def finished_stages(cfg: CfgNode) -> dict[str, dict[str, Any]]:
    """The evaluated stages."""
    return room.finished_stages(run_of(cfg))


def previous_manifest(cfg: CfgNode, stage: str) -> dict[str, Any]:
    """What the stage recorded before."""
    return room.previous_record(stage_folder(cfg, stage))
