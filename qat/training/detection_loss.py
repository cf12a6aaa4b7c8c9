"""YOLOv5's loss: 1 - CIoU of the boxes, and cross-entropies of objectness and class.

From its facts as github.com/ultralytics/yolov5 7.0 has them; CIoU: Zheng et al., Distance-IoU loss, AAAI 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BALANCE = (4.0, 1.0, 0.4)  # of the objectness of strides 8, 16 and 32
BOX_GAIN = 0.05
CLASS_GAIN = 0.5  # of 80 classes
OBJECT_GAIN = 1.0  # of pictures of 640 pixels
MOST_RATIO = 4.0  # between a side of an object and of an anchor that may find it
NEAR = 0.5  # cells: an object is searched from the cell of its centre and from the two that are nearest
EPS = 1e-7


@dataclass(frozen=True)
class Matches:
    """The places of a map that should find an object, k of them.

    `picture`, `anchor`, `row`, `column`: int64 (k). `boxes`: (k, 4), centre relative to the cell's corner and size, in
    cells. `classes`: int64 (k).
    """

    picture: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    boxes: Tensor
    classes: Tensor


def detection_loss(outputs: Sequence[Tensor], labels: Sequence[Tensor], anchors: Tensor) -> dict[str, Tensor]:
    """Loss parts and their sum `loss`, scalars in float32.

    Args:
        outputs: a map a stride, (N, A * (5 + classes), h, w).
        labels: of each picture (n, 5): class, x1, y1, x2, y2 as shares of its sides.
        anchors: (strides, A, 2), width and height in pixels.
    """
    objects = _objects(labels).to(outputs[0].device)
    height = outputs[0].shape[2] * 8
    width = outputs[0].shape[3] * 8
    classes = outputs[0].shape[1] // anchors.shape[1] - 5
    totals = torch.zeros(3, device=outputs[0].device)
    for output, sizes, balance in zip(outputs, anchors.to(outputs[0]), BALANCE, strict=True):
        box, found, kind = _level(output.float(), objects, sizes * output.shape[3] / width)
        totals = totals + torch.stack([box, balance * found, kind])
    size = max(height, width)
    gains = totals.new_tensor([BOX_GAIN, OBJECT_GAIN * (size / 640) ** 2, CLASS_GAIN * classes / 80])
    parts = totals * gains * outputs[0].shape[0]
    return {"loss": parts.sum(), "box": parts[0], "object": parts[1], "class": parts[2]}


def _objects(labels: Sequence[Tensor]) -> Tensor:
    """(n, 6): picture, class, centre x and y, width, height as shares."""
    rows = []
    for index, boxes in enumerate(labels):
        corners = boxes[:, 1:].float()
        centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        rows.append(torch.cat([torch.full_like(boxes[:, :1], index), boxes[:, :1], centre, size], 1))
    return torch.cat(rows)


def _level(output: Tensor, objects: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of box, objectness and class of one map; `anchors`: (A, 2) in cells."""
    batch, _, height, width = output.shape
    values = output.view(batch, len(anchors), -1, height, width)
    places = match(objects, anchors, (height, width))
    target = torch.zeros_like(values[:, :, 4])
    box = kind = output.sum() * 0
    if len(places.classes):
        own = values[places.picture, places.anchor, :, places.row, places.column]
        overlap = ciou(_boxes(own, anchors[places.anchor]), places.boxes)
        target[places.picture, places.anchor, places.row, places.column] = overlap.detach().clamp(min=0)
        box = (1 - overlap).mean()
        kind = _class_loss(own[:, 5:], places.classes)
    return box, F.binary_cross_entropy_with_logits(values[:, :, 4], target), kind


def _boxes(values: Tensor, anchors: Tensor) -> Tensor:
    shares = values[:, :4].sigmoid()
    return torch.cat([2 * shares[:, :2] - 0.5, (2 * shares[:, 2:]) ** 2 * anchors], 1)


def _class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Nothing is to be told apart in a single class."""
    if logits.shape[1] < 2:
        return logits.sum() * 0
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(classes, logits.shape[1]).to(logits))


def match(objects: Tensor, anchors: Tensor, size: tuple[int, int]) -> Matches:
    """The places of a map of `size` (height, width) from which objects should be found.

    Each anchor whose sides are less than `MOST_RATIO` times as large or as small as the object's, in the cell of the
    object's centre and in its neighbours left or right and above or below, whichever are nearer.
    """
    height, width = size
    scaled = objects[:, 2:] * objects.new_tensor([width, height, width, height])
    ratio = scaled[None, :, 2:] / anchors[:, None]
    anchor, index = torch.nonzero(torch.maximum(ratio, 1 / ratio).amax(2) < MOST_RATIO, as_tuple=True)
    centre = scaled[index, :2]
    cells, source = _cells(centre, objects.new_tensor([width, height]))
    anchor, index = anchor[source], index[source]
    boxes = torch.cat([scaled[index, :2] - cells, scaled[index, 2:]], 1)
    column, row = cells.long().unbind(1)
    picture, classes = objects[index, :2].long().unbind(1)
    return Matches(picture, anchor, row.clamp(0, height - 1), column.clamp(0, width - 1), boxes, classes)


def _cells(centre: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Column and row of each centre's cell and of the nearest neighbours inside the map; whose centre each is."""
    share, from_end = centre % 1, (size - centre) % 1
    before = (share < NEAR) & (centre > 1)
    after = (from_end < NEAR) & (size - centre > 1)
    everywhere = torch.ones_like(before[:, 0])
    wanted = torch.stack([everywhere, before[:, 0], before[:, 1], after[:, 0], after[:, 1]])
    steps = NEAR * centre.new_tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]])
    which, source = torch.nonzero(wanted, as_tuple=True)
    return (centre[source] + steps[which]).floor(), source


def ciou(first: Tensor, second: Tensor) -> Tensor:
    """Complete IoU of (k, 4) centres and sizes, by pairs: IoU less the centres' distance and the shapes' difference.

    >>> box = torch.tensor([[5.0, 5.0, 4.0, 2.0]])
    >>> ciou(box, box).round(decimals=4).tolist()
    [1.0]
    """
    low = torch.maximum(first[:, :2] - first[:, 2:] / 2, second[:, :2] - second[:, 2:] / 2)
    high = torch.minimum(first[:, :2] + first[:, 2:] / 2, second[:, :2] + second[:, 2:] / 2)
    common = (high - low).clamp(min=0).prod(1)
    overlap = common / (first[:, 2:].prod(1) + second[:, 2:].prod(1) - common + EPS)
    around = _hull(first, second).square().sum(1) + EPS
    distance = (first[:, :2] - second[:, :2]).square().sum(1) / around
    angles = (torch.atan(second[:, 2] / second[:, 3]) - torch.atan(first[:, 2] / first[:, 3])) ** 2
    shape = 4 / math.pi**2 * angles
    weight = (shape / (1 + EPS - overlap + shape)).detach()
    return overlap - distance - weight * shape


def _hull(first: Tensor, second: Tensor) -> Tensor:
    """Width and height of the smallest box around both."""
    low = torch.minimum(first[:, :2] - first[:, 2:] / 2, second[:, :2] - second[:, 2:] / 2)
    high = torch.maximum(first[:, :2] + first[:, 2:] / 2, second[:, :2] + second[:, 2:] / 2)
    return high - low
