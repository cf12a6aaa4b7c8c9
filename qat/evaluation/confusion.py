"""Cityscapes' mIoU: one confusion matrix over the whole set, at label resolution, 255 ignored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qat.errors import UserError


@dataclass(frozen=True)
class Scores:
    """Fractions from 0 to 1. A class that is neither labelled nor predicted is None and stays out of the means."""

    mean_iou: float
    pixel_acc: float
    mean_acc: float  # over the classes that the labels hold
    class_iou: tuple[float | None, ...]
    labelled: tuple[int, ...] = ()  # pixels of each class that the labels hold


class ConfusionMatrix:
    """Counts of (label, predicted) pixels; `counts` is int64 (classes, classes), rows are labels.

    Sum `counts` over processes (or `merge` matrices) before `scores`: the mean of several mIoUs is not the mIoU.

    >>> matrix = ConfusionMatrix(2)
    >>> matrix.update(torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[0, 1, 0, 255]]]))
    >>> matrix.scores().class_iou
    (0.5, 0.5)
    """

    def __init__(self, num_classes: int, ignore: int = 255) -> None:
        if not 1 <= num_classes <= 255:
            raise UserError(
                f"num_classes is {num_classes}; expected 1 to 255, because labels are uint8 with an ignored value"
            )
        self.ignore = ignore
        self.counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: Tensor, label: Tensor) -> None:
        """Count a batch: integer tensors of one shape, such as (N, H, W), classes 0 to 255.

        Raises UserError for different shapes and for a class that is neither below `num_classes` nor ignored.
        """
        if prediction.shape != label.shape:
            raise UserError(f"prediction is {tuple(prediction.shape)}, label {tuple(label.shape)}; expected one size")
        pairs = _bytes(label).to(torch.int32).mul_(256).add_(_bytes(prediction).to(label.device))
        table = torch.bincount(pairs.flatten(), minlength=256 * 256).reshape(-1, 256).cpu()
        table[self.ignore] = 0
        classes = len(self.counts)
        if table[classes:].any() or table[:, classes:].any():
            raise _wrong_class(table, classes, self.ignore)
        self.counts += table[:classes, :classes]

    def merge(self, matrix: ConfusionMatrix) -> None:
        """Add the counts of another part of the set."""
        self.counts += matrix.counts

    def scores(self) -> Scores:
        """The metrics of everything counted so far; 0 for an empty matrix."""
        counts = self.counts.double()
        hit, labelled, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
        union = labelled + predicted - hit
        iou = hit / union
        return Scores(
            mean_iou=_mean(iou[union > 0]),
            pixel_acc=float(hit.sum() / labelled.sum().clamp(min=1)),
            mean_acc=_mean((hit / labelled)[labelled > 0]),
            class_iou=tuple(
                value if there else None for value, there in zip(iou.tolist(), (union > 0).tolist(), strict=True)
            ),
            labelled=tuple(self.counts.sum(1).tolist()),
        )


def _bytes(classes: Tensor) -> Tensor:
    """Returns the classes as uint8; UserError for a value that doesn't fit, which would count as another pair."""
    if classes.dtype != torch.uint8 and classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) <= 255:
        raise UserError(f"classes lie in {int(classes.min())} to {int(classes.max())}; expected 0 to 255")
    return classes.to(torch.uint8)


def _wrong_class(table: Tensor, classes: int, ignore: int) -> UserError:
    labels = table[classes:].sum(1).nonzero()
    if len(labels):
        wrong = int(labels[0]) + classes
        return UserError(f"a label holds class {wrong}; expected 0 to {classes - 1}, or {ignore} for ignored pixels")
    wrong = int(table[:, classes:].sum(0).nonzero()[0]) + classes
    return UserError(f"the model predicts class {wrong}; the labels have {classes} classes: set DATASET.NUM_CLASSES")


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
