"""From a data set's pictures to what a stage takes, and float's recorded logits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from torch import Tensor
from yacs.config import CfgNode

from qat.data.transforms import Normaliser, artefact_input
from qat.evaluation import LogitStore
from qat.stages import origin_of
from qat.workflow.artefact import find_artefact
from qat.workflow.load import stage_device
from qat.workflow.run import run_of


def to_input(config: CfgNode, stage: str) -> Callable[[Tensor], Tensor]:
    """uint8 (N, H, W, 3) -> what the stage takes; compiled as its manifest says, scaled where the sizes differ."""
    data = config.DATASET
    if stage == "compiled":
        return artefact_input(find_artefact(config).input, data.MEAN, data.STD)
    return Normaliser(data.MEAN, data.STD, stage_device(config, stage))


def input_size(config: CfgNode, stage: str) -> list[int]:
    """Width and height of the pictures that the stage takes."""
    return find_artefact(config).size if stage == "compiled" else list(config.TEST.IMAGE_SIZE)


def float_logits(config: CfgNode) -> LogitStore:
    """The recording of stage float's evaluation, which refuses those of other weights or another config."""
    run = run_of(config)
    key = json.dumps(origin_of(run, "float").unlike_older)
    return LogitStore(run.folders.stage("float") / "logits", hashlib.sha256(key.encode()).hexdigest())
