"""Detection: boxes with a class and a score for every picture, of YOLOv5's maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qat.deploy.boxes import FOR_PICTURES, FOR_SCORES, STRIDES, VALUES, boxes_within, decode_within
from qat.evaluation.outputs import Outputs, several
from qat.evaluation.tasks.average_precision import average_precision
from qat.evaluation.tasks.box_distance import BoxDistance
from qat.evaluation.tasks.box_drawing import BoxDrawing
from qat.evaluation.tasks.detection_boxes import PictureBoxes, in_pixels
from qat.evaluation.tasks.task import Frame, Task

Floats = NDArray[np.float32]
Anchors: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]
PUBLISHED: Anchors = (  # of YOLOv5, width and height in pixels by stride
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


class DetectionTally:
    """Boxes against labels, and against float's boxes.

    >>> square = np.array([[10, 10, 50, 50, 0.9, 1]], np.float32)
    >>> tally, boxes = DetectionTally(2), [PictureBoxes(square, square, (100, 100))]
    >>> tally.score(boxes, [[[1, 0.1, 0.1, 0.5, 0.5]]])
    >>> tally.compare(boxes, boxes)
    >>> round(tally.main, 3), tally.same
    (1.0, 1.0)
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes, self.distance = num_classes, BoxDistance()
        self.found: list[Floats] = []
        self.truth: list[Floats] = []

    def score(self, prediction: Sequence[PictureBoxes], label: Iterable[Any]) -> None:
        """A batch's boxes and its labels: of each picture (n, 5), class and corners as shares of its sides."""
        for boxes, truth in zip(prediction, label, strict=True):
            self.found.append(boxes.scored)
            self.truth.append(in_pixels(np.asarray(truth, np.float32), boxes.size))

    def compare(self, prediction: Sequence[PictureBoxes], expected: Sequence[PictureBoxes]) -> None:
        """A batch's boxes against float's."""
        for boxes, other in zip(prediction, expected, strict=True):
            self.distance.update(boxes.shown, other.shown)

    def merge(self, other: DetectionTally) -> None:
        """Add the pictures of another part of the set, which come after these."""
        self.found += other.found
        self.truth += other.truth
        self.distance.merge(other.distance)

    @property
    def labelled(self) -> bool:
        """Whether any picture had a label."""
        return bool(self.truth)

    @property
    def main(self) -> float | None:
        """mAP over IoU .5 to .95."""
        return average_precision(self.found, self.truth, self.num_classes).mean if self.labelled else None

    @property
    def same(self) -> float | None:
        """Twice the boxes that match float's over all boxes of both."""
        return self.distance.agreement if self.distance.pictures else None

    @property
    def apart(self) -> int:
        """The boxes of both that were compared."""
        return self.distance.float_boxes + self.distance.own_boxes

    def scores(self, names: Sequence[str]) -> dict[str, Any]:
        """`mean_ap`, `mean_ap_50`, and `class_ap` by name, None for a class that no label has."""
        if not self.labelled:
            return {"mean_ap": None, "mean_ap_50": None, "class_ap": dict.fromkeys(names)}
        precision = average_precision(self.found, self.truth, self.num_classes)
        of_class = dict(zip(names, precision.by_class, strict=True))
        return {"mean_ap": precision.mean, "mean_ap_50": precision.mean_50, "class_ap": of_class}

    def distances(self) -> dict[str, float]:
        """`boxes_changed` and the others of `BoxDistance.figures`; empty before the first comparison."""
        return self.distance.figures() if self.distance.pictures else {}


def predict(outputs: Outputs, frame: Frame, anchors: Anchors = PUBLISHED) -> list[PictureBoxes]:
    """The boxes of each picture, of a detector's maps (N, anchors * (5 + classes), h, w) at strides 8, 16 and 32."""
    maps = [one.float().cpu().numpy() for one in several(outputs)]
    values = decode_within(maps, np.array(anchors, np.float32), frame.canvas or frame.size)
    pictures = frame.pictures or (frame.size,) * len(values)
    return [_boxes_of(one, frame.size, picture) for one, picture in zip(values, pictures, strict=True)]


def _boxes_of(values: Floats, size: tuple[int, int], picture: tuple[int, int]) -> PictureBoxes:
    scored, shown = (boxes_within(values, how, size, picture) for how in (FOR_SCORES, FOR_PICTURES))
    return PictureBoxes(scored, shown, picture)


def fault(outputs: object, num_classes: int, anchors: Anchors = PUBLISHED) -> str:
    """What was expected of a network's outputs; "" for a detector's maps."""
    channels = len(anchors[0]) * (VALUES + num_classes)
    maps = outputs if isinstance(outputs, (list, tuple)) else ()
    if len(maps) == len(STRIDES) and all(_is_map(one, channels) for one in maps):
        return ""
    return (
        f"{len(STRIDES)} maps (N, {channels}, h, w) at strides {', '.join(map(str, STRIDES))}, as the detector's own "
        "convolutions give them, before any decoding: check DATASET.NUM_CLASSES"
    )


def _is_map(output: object, channels: int) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] == channels


def with_anchors(task: Task, anchors: Anchors) -> Task:
    """The task for a detector of other anchors than the published ones."""
    read, wrong = partial(predict, anchors=anchors), partial(fault, anchors=anchors)
    return replace(task, predict=read, fault=wrong, anchors=anchors)


DETECTION = Task(
    name="detection",
    predict=predict,
    tally=DetectionTally,
    fault=fault,
    score="mean_ap",
    score_title="mAP",
    second="mean_ap_50",
    second_title="mAP\nat .5",
    classes="class_ap",
    class_title="AP",
    changed="boxes_changed",
    changed_title="boxes\nchanged",
    unit="boxes",
    kept="boxes, and no others",
    more=(
        ("boxes_kept", "float's\nfound"),
        ("boxes_confirmed", "found are\nfloat's"),
        ("matched_iou", "mean\nIoU"),
        ("score_change", "score\nchange"),
    ),
    grain=0.02,
    drawing=BoxDrawing(),
    anchors=PUBLISHED,
)
