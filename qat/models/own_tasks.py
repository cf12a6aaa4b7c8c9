"""What a user's network gives for each task that MODEL.TASK may name: a row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OwnTask:
    """`gives`: the output, with its axes; `axes`: how many; `loss`: the recipe of `make train`, "" for none."""

    gives: str
    axes: int
    loss: str


OWN_TASKS: Mapping[str, OwnTask] = {
    "segmentation": OwnTask("logits (N, classes, height, width)", 4, "cross_entropy"),
    "classification": OwnTask("logits (N, classes)", 2, "classification"),
    "keypoints": OwnTask("heat maps (N, points, height, width)", 4, ""),
}
