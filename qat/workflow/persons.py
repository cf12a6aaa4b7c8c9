"""Where a pose network looks in a picture, and the points that it finds, in the picture's pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from yacs.config import CfgNode

from qat.data.person_boxes import read_boxes
from qat.data.persons import of_picture
from qat.deploy.person_crop import PersonCrop, whole_picture
from qat.errors import UserError
from qat.evaluation.tasks.keypoints import KEYPOINTS
from qat.report.overlay import Picture
from qat.workflow.network import network_spec

Persons = Callable[[Path, Picture], Sequence[PersonCrop]]


def persons_in(config: CfgNode, paths: Sequence[Path], boxes: str | Path | None) -> Persons:
    """Returns a function from a picture's file and pixels to the persons in it.

    `boxes`: a file that names them; None: each picture is one person. Raises UserError for a file that can't be used
    or has no box of any of `paths`, and for boxes where the network isn't for key points.
    """
    width, height = config.TEST.IMAGE_SIZE
    if boxes is None:
        return lambda _, image: [whole_picture(image, (width, height))]
    task = network_spec(config).task
    if task != KEYPOINTS.name:
        raise UserError(f"--boxes is for key points and MODEL.NAME {config.MODEL.NAME} for {task}; leave it out")
    found = read_boxes(boxes)
    if all(of_picture(path, found) is None for path in paths):
        raise UserError(f"{boxes} has no box of {paths[0]} or another of the pictures; it names {next(iter(found))}")
    return lambda path, _: [PersonCrop(box, (width, height)) for box in of_picture(path, found) or ()]


def points_in(image: Picture, crops: Sequence[PersonCrop], predict: Callable[[Picture], Any]) -> Tensor:
    """(persons, points, 4) of a picture (H, W, 3): x, y in its pixels, and what `predict` says more of each."""
    found = [crop.back(np.asarray(predict(crop.cut(image)))) for crop in crops]
    return torch.from_numpy(np.stack(found)) if found else torch.zeros(0, 1, 4)
