"""From a dataset's pictures to what a stage takes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from yacs.config import CfgNode

from qat.compile.stage import find_artefact
from qat.data.transforms import Normaliser
from qat.data.transforms.artefact import artefact_input
from qat.workflow import stages


def to_input(cfg: CfgNode, stage: str) -> Callable[[Tensor], Tensor]:
    """uint8 (N, H, W, 3) -> what the stage takes; compiled as its manifest says, scaled where the sizes differ."""
    if stage == "compiled":
        return artefact_input(find_artefact(cfg).input, cfg.DATASET.MEAN, cfg.DATASET.STD)
    return Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD, stages.stage_device(cfg, stage))


def input_size(cfg: CfgNode, stage: str) -> list[int]:
    """Width and height of the pictures that the stage takes."""
    return find_artefact(cfg).size if stage == "compiled" else list(cfg.TEST.IMAGE_SIZE)
