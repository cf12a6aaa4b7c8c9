"""Mean average precision of boxes, by COCO's own evaluation (pycocotools)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NO_CLASS = -1.0  # pycocotools' precision of a class that no label has


@dataclass(frozen=True)
class Precision:
    """Average precisions from 0 to 1: over IoU .5 to .95, at IoU .5, and of each class over IoU .5 to .95.

    A class that no label has is None and doesn't count in the means.
    """

    mean: float
    mean_50: float
    by_class: tuple[float | None, ...]


def average_precision(found: Sequence[Floats], truth: Sequence[Floats], classes: int, most: int = 300) -> Precision:
    """Score the boxes of pictures against their labels.

    Args:
        found: of each picture (k, 6): x1, y1, x2, y2, score, class.
        truth: of each picture (n, 5): class, x1, y1, x2, y2, in the same unit.
        classes: how many there are.
        most: boxes of a picture that count, the best by score.

    Returns:
        The precisions.

    Example:
        >>> box = np.array([[10, 10, 50, 50]], np.float32)
        >>> found = np.column_stack([box, [[0.9]], [[1]]])
        >>> precision = average_precision([found], [np.column_stack([[[1]], box])], classes=2)
        >>> round(precision.mean, 3), precision.by_class[0]
        (1.0, None)
    """
    if not sum(map(len, truth)):
        return Precision(0.0, 0.0, (None,) * classes)
    table = _precisions(found, truth, classes, most)
    labelled = (table != NO_CLASS).all(axis=(0, 1))
    means = table.mean(axis=(0, 1))
    by_class = tuple(float(mean) if known else None for mean, known in zip(means, labelled, strict=True))
    return Precision(float(means[labelled].mean()), float(table[0][:, labelled].mean()), by_class)


def _precisions(found: Sequence[Floats], truth: Sequence[Floats], classes: int, most: int) -> NDArray[np.float64]:
    """(IoU thresholds, recalls, classes); NO_CLASS where no label has the class."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        labels = _dataset([_labels(one) for one in truth], classes)
        boxes = _dataset([_boxes(one) for one in found], classes)
        run = COCOeval(labels, boxes, "bbox")
        run.params.maxDets = [1, 10, most]
        run.evaluate()
        run.accumulate()
    precisions: NDArray[np.float64] = run.eval["precision"][:, :, :, 0, -1]  # all sizes, all boxes
    return precisions


def _dataset(pictures: Sequence[Sequence[dict[str, Any]]], classes: int) -> Any:
    from pycocotools.coco import COCO

    rows = [{**row, "image_id": index} for index, picture in enumerate(pictures) for row in picture]
    annotations = [{**row, "id": number, "iscrowd": 0} for number, row in enumerate(rows, 1)]
    dataset = COCO()
    dataset.dataset = {
        "images": [{"id": index} for index in range(len(pictures))],
        "categories": [{"id": index} for index in range(classes)],
        "annotations": annotations,
    }
    dataset.createIndex()
    return dataset


def _labels(boxes: Floats) -> list[dict[str, Any]]:
    return [_row(int(kind), corners) for kind, *corners in boxes.tolist()]


def _boxes(boxes: Floats) -> list[dict[str, Any]]:
    return [_row(int(kind), corners) | {"score": score} for *corners, score, kind in boxes.tolist()]


def _row(kind: int, corners: Sequence[float]) -> dict[str, Any]:
    left, top, right, bottom = corners
    width, height = right - left, bottom - top
    return {"category_id": kind, "bbox": [left, top, width, height], "area": width * height}
