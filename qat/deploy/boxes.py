"""A detector's raw maps to boxes: YOLOv5's decoding and class-wise non-maximum suppression, in numpy.

The formulas are those of YOLOv5 (github.com/ultralytics/yolov5, releases 4 to 7.0), the suppression's meaning is
torchvision.ops.nms's. Boxes are (x1, y1, x2, y2) in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qat.deploy.letterbox import Letterbox, Size

Floats: TypeAlias = NDArray[np.float32]

STRIDES = (8, 16, 32)
VALUES = 5  # of an anchor before its classes: x, y, width, height, objectness
COLUMNS = 6  # of a detection: x1, y1, x2, y2, score, class
MOST_CANDIDATES = 30000  # of a picture, the best by score, that are looked at


@dataclass(frozen=True)
class Selection:
    """Which boxes are results.

    `confidence`: objectness times class that a score is above. `iou`: of two boxes of a class, above which the one of
    the lower score goes. `several`: a box may have more than one class, else its best. `most`: of a picture.
    """

    confidence: float
    iou: float
    several: bool = False
    most: int = 300


FOR_SCORES = Selection(confidence=0.001, iou=0.6, several=True)  # as mAP is published
FOR_PICTURES = Selection(confidence=0.25, iou=0.45)


def decode(outputs: Sequence[NDArray[np.floating]], anchors: NDArray[np.floating]) -> Floats:
    """Reads the maps of a batch.

    Args:
        outputs: a map a stride, (N, A * (5 + classes), h, w), as the last convolutions give them.
        anchors: (strides, A, 2), width and height in pixels.

    Returns:
        (N, boxes, 5 + classes): centre x, centre y, width, height in pixels of the network's input, objectness and
        classes from 0 to 1; the boxes by stride, anchor, row, column.

    Example:
        >>> maps = [np.zeros((1, 7, side, side), np.float32) for side in (4, 2, 1)]
        >>> anchors = np.array([[[10, 13]], [[30, 61]], [[116, 90]]])
        >>> decode(maps, anchors)[0, 0].tolist()
        [4.0, 4.0, 10.0, 13.0, 0.5, 0.5, 0.5]
    """
    levels = zip(outputs, anchors, STRIDES, strict=True)
    return np.concatenate([_level(x, sizes, stride) for x, sizes, stride in levels], axis=1)


def _level(x: NDArray[np.floating], anchors: NDArray[np.floating], stride: int) -> Floats:
    batch, _, height, width = x.shape
    shares = _sigmoid(np.asarray(x, np.float32)).reshape(batch, len(anchors), -1, height, width)
    shares = shares.transpose(0, 1, 3, 4, 2).copy()
    shares[..., 0] = (2 * shares[..., 0] - 0.5 + np.arange(width, dtype=np.float32)) * stride
    shares[..., 1] = (2 * shares[..., 1] - 0.5 + np.arange(height, dtype=np.float32)[:, None]) * stride
    shares[..., 2:4] = (2 * shares[..., 2:4]) ** 2 * np.asarray(anchors, np.float32)[:, None, None]
    boxes: Floats = shares.reshape(batch, -1, shares.shape[-1])
    return boxes


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(88) and more: the result is 0
        shares: Floats = np.reciprocal(1 + np.exp(-x))
    return shares


def select(values: Floats, selection: Selection) -> Floats:
    """Chooses the boxes of one picture.

    Args:
        values: (boxes, 5 + classes), a picture of `decode`'s result.
        selection: what is asked of them.

    Returns:
        (k, 6): x1, y1, x2, y2, score and class, the best score first.

    Example:
        >>> values = np.array([[8, 8, 4, 4, 1, 0.5], [8, 9, 4, 4, 0.75, 0.5], [30, 30, 8, 8, 1, 0.75]], np.float32)
        >>> select(values, FOR_PICTURES).tolist()
        [[26.0, 26.0, 34.0, 34.0, 0.75, 0.0], [6.0, 6.0, 10.0, 10.0, 0.5, 0.0]]
    """
    found = _candidates(values[values[:, 4] > selection.confidence], selection)
    best = found[np.argsort(-found[:, 4], kind="stable")[:MOST_CANDIDATES]]
    return best[suppress(best[:, :4], best[:, 5], selection.iou, selection.most)]


def decode_within(
    outputs: Sequence[NDArray[np.floating]], anchors: NDArray[np.floating], canvas: Sequence[int]
) -> Floats:
    """As `decode`, with centres and sizes in pixels of a picture that the maps span; `canvas`: its height and width."""
    values = decode(outputs, anchors)
    network = [side * STRIDES[0] for side in outputs[0].shape[2:]]
    down, across = (side / own for side, own in zip(canvas, network, strict=True))
    values[..., :4] *= np.array([across, down, across, down], np.float32)
    return values


def boxes_within(values: Floats, selection: Selection, size: Size, picture: Size | None = None) -> Floats:
    """As `select`, cut at the rim of a picture.

    `size`: height and width that `values` are pixels of. `picture`: of a picture that lies there between grey bars,
    whose own pixels the boxes are then in; None: it fills `size`.
    """
    return Letterbox(picture or size, size).back(select(values, selection))


def _candidates(values: Floats, selection: Selection) -> Floats:
    scores = values[:, VALUES:] * values[:, 4:5]
    if selection.several and scores.shape[1] > 1:
        rows, classes = np.nonzero(scores > selection.confidence)
    else:
        classes = scores.argmax(1)
        rows = np.flatnonzero(scores[np.arange(len(scores)), classes] > selection.confidence)
        classes = classes[rows]
    corners = _corners(values[rows, :4])
    return np.column_stack([corners, scores[rows, classes], classes]).astype(np.float32)


def _corners(boxes: Floats) -> Floats:
    """Centre and size to corners, (n, 4)."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def suppress(boxes: Floats, classes: NDArray[np.floating], iou: float, most: int) -> NDArray[np.intp]:
    """Returns the rows that stay: one after another, those of its class that overlap it by more than `iou` go.

    Args:
        boxes: (n, 4) corners, the best first.
        classes: (n,).
        iou: intersection over union.
        most: how many stay at most.
    """
    left = np.arange(len(boxes))
    kept: list[np.intp] = []
    while len(left) and len(kept) < most:
        first, left = left[0], left[1:]
        kept.append(first)
        same = classes[left] == classes[first]
        left = left[~(same & (overlaps(boxes[first : first + 1], boxes[left])[0] > iou))]
    return np.array(kept, np.intp)


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of each of (n, 4) corners with each of (m, 4): (n, m); 0 where both are empty.

    >>> overlaps(np.array([[0, 0, 4, 4]], np.float32), np.array([[0, 0, 4, 2], [8, 8, 9, 9]], np.float32)).tolist()
    [[0.5, 0.0]]
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.maximum(high - low, 0).prod(2)
    union = _areas(first)[:, None] + _areas(second)[None] - common
    result: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return result


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas
