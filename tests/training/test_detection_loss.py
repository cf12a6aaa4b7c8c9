from __future__ import annotations

import math

import pytest
import torch

from qat.models.yolov5.network import ANCHORS
from qat.training.detection_loss import ciou, detection_loss, match

SIZES = torch.tensor(ANCHORS, dtype=torch.float32)


def maps(height: int, width: int, classes: int, seed: int = 0) -> list[torch.Tensor]:
    noise = torch.Generator().manual_seed(seed)
    shape = 3 * (5 + classes)
    return [torch.randn(2, shape, height // s, width // s, generator=noise, requires_grad=True) for s in (8, 16, 32)]


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def perfect(label: list[float], size: int, classes: int) -> list[torch.Tensor]:
    """Maps that say one object wherever it should be found, and nothing elsewhere."""
    result = []
    kind, left, top, right, bottom = label
    box = torch.tensor([[0, kind, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top]])
    for stride, sizes in zip((8, 16, 32), SIZES, strict=True):
        side = size // stride
        output = torch.full((1, 3, 5 + classes, side, side), -20.0)
        places = match(box, sizes / stride, (side, side))
        for a, row, column, own in zip(places.anchor, places.row, places.column, places.boxes, strict=True):
            x, y, width, height = own.tolist()
            sides = [math.sqrt(one) / 2 for one in (width / (sizes[a, 0] / stride), height / (sizes[a, 1] / stride))]
            values = [logit((x + 0.5) / 2), logit((y + 0.5) / 2), logit(sides[0]), logit(sides[1]), 20.0]
            output[0, a, :5, row, column] = torch.tensor(values)
            output[0, a, 5 + int(kind), row, column] = 20.0
        result.append(output.flatten(1, 2))
    return result


def test_a_network_that_says_it_all_has_no_loss() -> None:
    label = [1, 0.31, 0.26, 0.52, 0.61]
    loss = detection_loss(perfect(label, 128, 3), [torch.tensor([label])], SIZES)
    assert float(loss["loss"]) < 1e-4


@pytest.mark.parametrize("part", ["box", "object", "class"])
def test_each_part_is_there_and_the_sum_is_theirs(part: str) -> None:
    loss = detection_loss(maps(64, 96, 3), [torch.tensor([[1, 0.1, 0.1, 0.5, 0.6]])] * 2, SIZES)
    assert float(loss[part].detach()) > 0
    assert torch.allclose(loss["loss"], loss["box"] + loss["object"] + loss["class"])


def test_pictures_without_objects_teach_objectness_alone() -> None:
    outputs = maps(64, 64, 3)
    loss = detection_loss(outputs, [torch.zeros(0, 5)] * 2, SIZES)
    loss["loss"].backward()
    assert loss["box"].item() == loss["class"].item() == 0
    gradient = outputs[0].grad.view(2, 3, 8, 8, 8)
    assert gradient[:, :, 4].abs().min() > 0
    assert not gradient[:, :, [0, 1, 2, 3, 5, 6, 7]].any()


def test_the_published_value() -> None:
    """What YOLOv5 7.0's ComputeLoss gives for these tensors, per picture: box, objectness, class."""
    outputs = [
        torch.linspace(-2, 2, 2 * 24 * n).view(2, 24, *side) for n, side in ((96, (8, 12)), (24, (4, 6)), (6, (2, 3)))
    ]
    labels = [
        torch.tensor([[1, 0.1, 0.1, 0.5, 0.6], [0, 0.55, 0.2, 0.7, 0.9]]),
        torch.tensor([[2, 0.4, 0.4, 0.6, 0.5]]),
    ]
    loss = detection_loss(outputs, labels, SIZES)
    found = [float(loss[part]) / 2 for part in ("box", "object", "class")]
    assert found == pytest.approx(PUBLISHED, rel=1e-5)


PUBLISHED = [0.1615474, 0.1049894, 0.04126306]


@pytest.mark.parametrize(
    ("centre", "cells"),
    [
        ((2.3, 2.3), {(2, 2), (1, 2), (2, 1)}),
        ((2.7, 2.3), {(2, 2), (3, 2), (2, 1)}),
        ((0.3, 3.7), {(0, 3)}),
        ((2.5, 2.5), {(2, 2)}),
    ],
)
def test_the_cell_and_its_nearest_neighbours_inside_the_map(centre: tuple, cells: set) -> None:
    box = torch.tensor([[0, 1, centre[0] / 4, centre[1] / 4, 0.25, 0.25]])
    places = match(box, torch.tensor([[1.0, 1.0]]), (4, 4))
    assert set(zip(places.column.tolist(), places.row.tolist(), strict=True)) == cells


def test_an_anchor_of_four_times_the_size_finds_nothing() -> None:
    box = torch.tensor([[0, 1, 0.6, 0.6, 0.25, 0.25]])
    anchors = torch.tensor([[1.0, 3.9], [1.0, 4.1], [0.26, 1.0], [0.24, 1.0]])
    assert set(match(box, anchors, (4, 4)).anchor.tolist()) == {0, 2}


def test_ciou_of_boxes_by_hand() -> None:
    first, second = torch.tensor([[2.0, 2.0, 4.0, 2.0]]), torch.tensor([[4.0, 2.0, 4.0, 4.0]])
    overlap, distance = 4 / (8 + 16 - 4), 4 / (36 + 16)
    shape = 4 / math.pi**2 * (math.atan(1) - math.atan(2)) ** 2
    expected = overlap - distance - shape**2 / (1 - overlap + shape)
    assert float(ciou(first, second)) == pytest.approx(expected, rel=1e-4)
