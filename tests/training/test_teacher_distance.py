"""What a fine-tuning learns from float, by task: 0 where equal, and less of what matters less."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from qat.deploy.boxes import VALUES
from qat.evaluation.tasks import TASKS
from qat.training.teacher_distance import Outputs, teacher_distance

CLASSES = 2
DETECTION = TASKS["detection"]
ANCHORS = len(DETECTION.anchors[0])


def random_outputs(task: str, seed: int = 0) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    channels = ANCHORS * (VALUES + CLASSES)
    shapes = {
        "segmentation": [(2, 3, 4, 5)],
        "classification": [(2, 3)],
        "keypoints": [(2, 3, 4, 5)],
        "detection": [(2, channels, side, side) for side in (4, 2, 1)],
    }[task]
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("task", TASKS)
def test_it_is_zero_for_float_s_own_outputs_and_falls_towards_them(task: str) -> None:
    distance, expected, other = teacher_distance(TASKS[task]), random_outputs(task), random_outputs(task, 1)
    assert float(distance(expected, expected)) == pytest.approx(0, abs=1e-6)
    near, far = ([e + share * (o - e) for e, o in zip(expected, other, strict=True)] for share in (0.1, 0.5))
    assert 0 < float(distance(near, expected)) < float(distance(far, expected))


@pytest.mark.parametrize("task", TASKS)
def test_every_output_learns(task: str) -> None:
    outputs = [one.requires_grad_() for one in random_outputs(task, 1)]
    teacher_distance(TASKS[task])(outputs, random_outputs(task)).backward()
    assert all(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in outputs)


def test_chances_of_pictures_are_held_as_those_of_pixels_are() -> None:
    ours, theirs = torch.zeros(4, 2), torch.tensor([0.75, 0.25]).log().expand(4, 2)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(teacher_distance(TASKS["classification"])([ours], [theirs])) == pytest.approx(expected)


def test_a_box_counts_where_float_sees_an_object() -> None:
    """The same error of width and class, at a place with an object and at one without."""
    expected = torch.zeros(1, ANCHORS, VALUES + CLASSES, 1, 2)
    expected[:, :, VALUES - 1] = torch.tensor([8.0, -8.0])
    at_object, elsewhere = expected.clone(), expected.clone()
    for moved, place in ((at_object, 0), (elsewhere, 1)):
        moved[:, :, [2, VALUES], :, place] += 1
    found, missed = (_of_boxes(moved, expected) for moved in (at_object, elsewhere))
    assert found > 100 * missed > 0


def test_an_object_that_float_does_not_see_counts_in_full() -> None:
    expected = torch.zeros(1, ANCHORS, VALUES + CLASSES, 1, 2)
    expected[:, :, VALUES - 1] = torch.tensor([8.0, -8.0])
    false_alarm = expected.clone()
    false_alarm[:, :, VALUES - 1, :, 1] = 8.0
    assert _of_boxes(false_alarm, expected) > 1


def _of_boxes(outputs: Tensor, expected: Tensor) -> float:
    maps = ([values.flatten(1, 2)] for values in (outputs, expected))
    return float(teacher_distance(DETECTION)(*maps))
