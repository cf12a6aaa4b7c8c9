"""The tasks where torch isn't: how a file's outputs become a picture's result, what it says and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qat.deploy.boxes import FOR_PICTURES, boxes_within, decode_within
from qat.deploy.class_maps import classes_of
from qat.deploy.draw_boxes import draw_boxes
from qat.deploy.draw_classes import draw_classes, draw_lines, names_and_chances
from qat.deploy.draw_points import SURE, draw_points
from qat.deploy.facts import Facts, Size
from qat.deploy.heat_maps import points_of
from qat.deploy.person_crop import PersonCrop
from qat.deploy.top_classes import top_classes
from qat.errors import UserError

Array = NDArray[Any]
Picture = NDArray[np.uint8]  # (H, W, 3) RGB
_MOST_NAMED = 5  # classes of a picture in its line


@dataclass(frozen=True)
class DeployTask:
    """A row.

    `decode` takes the outputs of one picture (batch 1), the picture's size and the facts; `says` the result and the
    facts; `draw` the picture, the result and the facts.
    """

    name: str
    decode: Callable[[Sequence[Array], Size, Facts], Array]
    says: Callable[[Array, Facts], str]
    draw: Callable[[Picture, Array, Facts], Picture]


def _classes(outputs: Sequence[Array], size: Size, facts: Facts) -> Array:
    return classes_of(outputs[0][0], size, facts.align_corners, facts.canvas(size))


def _painted(picture: Picture, result: Array, facts: Facts) -> Picture:
    return draw_classes(picture, result, facts.palette)


def _shares(result: Array, facts: Facts) -> str:
    counts = np.bincount(result.ravel(), minlength=len(facts.classes))[: len(facts.classes)]
    largest = np.argsort(-counts, kind="stable")[:_MOST_NAMED]
    return ", ".join(f"{facts.classes[kind]} {counts[kind] / result.size:.1%}" for kind in largest if counts[kind])


def _top(outputs: Sequence[Array], size: Size, facts: Facts) -> Array:
    top: Array = top_classes(outputs[0])
    return np.asarray(top[0])


def _names(result: Array, facts: Facts) -> list[str]:
    return names_and_chances(result.tolist(), facts.classes)


def _boxes(outputs: Sequence[Array], size: Size, facts: Facts) -> Array:
    within = facts.picture if facts.letterbox else size
    values = decode_within(outputs, np.array(facts.anchors, np.float32), facts.canvas(within))
    return boxes_within(values[0], FOR_PICTURES, within, size)


def _objects(result: Array, facts: Facts) -> str:
    return ", ".join(f"{facts.classes[int(kind)]} {score:.2f}" for *_, score, kind in result.tolist()) or "no object"


def _points(outputs: Sequence[Array], size: Size, facts: Facts) -> Array:
    (height, width), (own_height, own_width) = facts.size, size
    crop = PersonCrop((0.0, 0.0, float(own_width), float(own_height)), (width, height), padding=1.0)
    points: Array = crop.back(points_of(np.asarray(outputs[0][0], np.float32), facts.size))
    return points


def _dotted(picture: Picture, result: Array, facts: Facts) -> Picture:
    return draw_points(picture, result, facts.palette, facts.skeleton)


def _seen(result: Array, facts: Facts) -> str:
    pairs = zip(facts.classes, result.tolist(), strict=True)
    return ", ".join(f"{name} {x:.0f},{y:.0f}" for name, (x, y, value) in pairs if value > SURE) or "no point"


TASKS: Mapping[str, DeployTask] = {
    task.name: task
    for task in (
        DeployTask("segmentation", _classes, _shares, _painted),
        DeployTask(
            "classification",
            _top,
            lambda found, facts: ", ".join(_names(found, facts)),
            lambda image, found, facts: draw_lines(image, _names(found, facts)),
        ),
        DeployTask(
            "detection",
            _boxes,
            _objects,
            lambda image, found, facts: draw_boxes(image, found, facts.classes, facts.palette),
        ),
        DeployTask(
            "keypoints",
            _points,
            _seen,
            lambda image, found, facts: draw_points(image, found, facts.palette, facts.skeleton),
        ),
    )
}


def task_of(facts: Facts) -> DeployTask:
    """The row of a file's task; UserError for one that isn't here."""
    if facts.task not in TASKS:
        raise UserError(f"the file's task is {facts.task}; expected one of: {', '.join(TASKS)}")
    return TASKS[facts.task]
