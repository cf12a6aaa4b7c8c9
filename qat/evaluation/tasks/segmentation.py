"""Segmentation: a class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from qat.evaluation.confusion import ConfusionMatrix
from qat.evaluation.distance import Changes
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks.task import Frame, Task
from qat.evaluation.upsample import upsample_argmax


class SegmentationTally:
    """A confusion matrix over the whole set, and the pixels whose class isn't float's.

    >>> tally = SegmentationTally(2)
    >>> tally.score(torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[0, 1, 0, 255]]]))
    >>> tally.scores(("road", "bus"))["class_iou"]
    {'road': 0.5, 'bus': 0.5}
    """

    def __init__(self, num_classes: int, changes: Changes | None = None) -> None:
        self.matrix, self.labelled = ConfusionMatrix(num_classes), False
        self.changes = changes or Changes()

    def score(self, prediction: Tensor, label: Tensor) -> None:
        """Classes (N, H, W) and train ids of the same shape, 255 ignored."""
        self.matrix.update(prediction, label.to(prediction.device))
        self.labelled = True

    def compare(self, prediction: Tensor, expected: Tensor) -> None:
        """Classes (N, H, W) of both; every pixel counts, void ones too."""
        self.changes.update(prediction, expected)

    def merge(self, other: SegmentationTally) -> None:
        """Add the pixels of another part of the set."""
        self.matrix.merge(other.matrix)
        self.changes.merge(other.changes)
        self.labelled |= other.labelled

    @property
    def main(self) -> float | None:
        """mIoU."""
        return self.matrix.scores().mean_iou if self.labelled else None

    @property
    def same(self) -> float | None:
        """The share of pixels that keep float's class."""
        return self.changes.same

    @property
    def apart(self) -> int:
        """None: pixels go together."""
        return 0

    def scores(self, names: Sequence[str]) -> dict[str, Any]:
        """`mean_iou`, `pixel_acc`, `mean_acc`, and `class_iou` by name, None for a class without a pixel."""
        found = self.matrix.scores() if self.labelled else None
        return {
            "mean_iou": found and found.mean_iou,
            "pixel_acc": found and found.pixel_acc,
            "mean_acc": found and found.mean_acc,
            "class_iou": dict(zip(names, found.class_iou if found else [None] * len(names), strict=True)),
        }

    def distances(self) -> dict[str, float]:
        """`pixels_changed`, a share."""
        return {} if self.changes.share is None else {"pixels_changed": self.changes.share}


def predict(outputs: Outputs, frame: Frame) -> Tensor:
    """Classes uint8 (N, H, W) of logits (N, classes, h, w), or of a file's classes (N, h, w)."""
    assert isinstance(outputs, Tensor)
    if outputs.ndim == 4:
        return upsample_argmax(outputs, frame.size, frame.align_corners, frame.canvas)
    canvas = frame.canvas or frame.size
    if tuple(outputs.shape[1:]) != tuple(canvas):
        outputs = torch.nn.functional.interpolate(outputs[:, None].float(), canvas, mode="nearest")[:, 0]
    return outputs[:, : frame.size[0], : frame.size[1]].to(torch.uint8)


def fault(outputs: object, num_classes: int) -> str:
    """What was expected of a network's outputs; "" for logits."""
    if isinstance(outputs, Tensor) and outputs.ndim == 4 and outputs.shape[1] == num_classes:
        return ""
    return f"logits (N, {num_classes}, h, w): check DATASET.NUM_CLASSES, and build with aux=False"


SEGMENTATION = Task(
    name="segmentation",
    predict=predict,
    tally=SegmentationTally,
    fault=fault,
    score="mean_iou",
    score_title="mIoU",
    second="pixel_acc",
    second_title="pixel\nacc",
    classes="class_iou",
    class_title="IoU",
    changed="pixels_changed",
    changed_title="pixels\nchanged",
    unit="pixels",
    kept="classes, pixel by pixel",
    maps=True,
)
