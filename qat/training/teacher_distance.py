"""How far the int8 network's outputs are from float's, as a fine-tuning learns from them: a distance for each task.

Classes of pixels and of pictures: Hinton et al. 2015, "Distilling the knowledge in a neural network", at temperature 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.deploy.boxes import VALUES
from qat.evaluation.distance import divergence
from qat.evaluation.tasks import Task
from qat.evaluation.tasks.detection import DETECTION
from qat.evaluation.tasks.keypoints import KEYPOINTS

Outputs: TypeAlias = Sequence[Tensor]
TeacherDistance: TypeAlias = Callable[[Outputs, Outputs], Tensor]


def teacher_distance(task: Task) -> TeacherDistance:
    """The task's distance: a network's outputs and float's -> a float32 scalar, 0 where they are equal."""
    if task.name == DETECTION.name:
        return partial(box_divergence, anchors=len(task.anchors[0]))
    return heat_map_noise if task.name == KEYPOINTS.name else class_divergence


def class_divergence(outputs: Outputs, expected: Outputs) -> Tensor:
    """The mean over pixels, or pictures, of KL(float || int8) in nats, of the first output (N, classes, ...)."""
    return divergence(outputs[0], expected[0])


def heat_map_noise(outputs: Outputs, expected: Outputs) -> Tensor:
    """The energy of the difference over the energy of float's heat maps (N, points, h, w), which SQNR is made of.

    >>> maps = torch.ones(1, 2, 4, 4)
    >>> round(float(heat_map_noise([maps * 1.1], [maps])), 4)
    0.01
    """
    maps, wanted = outputs[0].float(), expected[0].float()
    return (maps - wanted).square().sum() / wanted.square().sum().clamp(min=torch.finfo(torch.float32).tiny)


def box_divergence(outputs: Outputs, expected: Outputs, anchors: int) -> Tensor:
    """The divergence of what a detector's maps (N, anchors * (5 + classes), h, w) say, per object that float sees.

    Every value of such a map goes through a sigmoid: it is a chance. The place's objectness counts everywhere, its
    box and classes as much as float sees an object there.

    >>> maps = [torch.full((1, 7, 2, 2), 0.5)]
    >>> float(box_divergence(maps, maps, 1))
    0.0
    """
    total, objects = outputs[0].new_zeros(()).float(), outputs[0].new_zeros(()).float()
    for one, other in zip(outputs, expected, strict=True):
        shape = (one.shape[0], anchors, -1, *one.shape[2:])
        wanted = other.float().reshape(shape)
        seen = wanted[:, :, VALUES - 1 : VALUES].sigmoid()
        weight = torch.where(torch.arange(wanted.shape[2], device=one.device).view(-1, 1, 1) == VALUES - 1, 1.0, seen)
        total = total + (_bernoulli(one.float().reshape(shape), wanted) * weight).sum()
        objects = objects + seen.sum()
    return total / objects.clamp(min=1)


def _bernoulli(logits: Tensor, expected: Tensor) -> Tensor:
    """KL(float || int8) of each value's chance."""
    chance = expected.sigmoid()
    crossed = F.binary_cross_entropy_with_logits(logits, chance, reduction="none")
    return crossed - F.binary_cross_entropy_with_logits(expected, chance, reduction="none")
