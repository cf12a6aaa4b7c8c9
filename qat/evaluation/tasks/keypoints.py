"""Key points: a heat map for each point of the thing that fills the picture, such as a person cut out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import fsum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qat.deploy.heat_maps import points_of
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks.point_drawing import PointDrawing, Skeleton
from qat.evaluation.tasks.similarity import SIGMA, FoundPerson, points_precision, sigmas_of, similarity
from qat.evaluation.tasks.task import Frame, Task

NEAR = 0.05  # of the box's longer side, within which a point is the same


class KeyPointTally:
    """How many points lie near the right place by kind, their similarity, and how far they are from float's.

    >>> frame, maps = Frame((64, 64)), torch.zeros(1, 2, 16, 16)
    >>> maps[0, :, 8, 8] = 1
    >>> tally = KeyPointTally(2)
    >>> tally.score(predict(maps, frame), torch.tensor([[[32.0, 32.0, 2.0, 900.0], [50.0, 32.0, 2.0, 900.0]]]))
    >>> tally.scores(("head", "foot"))["class_pck"]
    {'head': 1.0, 'foot': 0.0}
    """

    def __init__(self, num_classes: int, sigmas: Sequence[float] = ()) -> None:
        """`sigmas`: of each point's similarity; () for `SIGMA` each."""
        self.sigmas = np.array(sigmas or (SIGMA,) * num_classes)
        self.counts = np.zeros((2, num_classes), np.int64)  # labelled points by kind, and those that lie near
        self.persons: list[FoundPerson] = []
        self.near = self.points = 0
        self.shift = array("d")  # of each batch: their exact sum knows no order

    def score(self, prediction: Sequence[Tensor], label: Tensor) -> None:
        """Labels (N, points, 4): x, y in pixels, above 0 where the point is labelled, the person's area in pixels."""
        own, truth = torch.stack(list(prediction)).double().cpu(), np.asarray(label, np.float64)
        seen = truth[..., 2] > 0
        self.counts += [seen.sum(0), (seen & _near(own, _distances(own, label))).sum(0)]
        for points, found in zip(truth, own.numpy(), strict=True):
            if points[:, 2].any():
                self.persons.append(FoundPerson(points[:, :3], float(points[0, 3]), found[:, :3]))

    def compare(self, prediction: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
        """The points of a stage against float's."""
        own, before = torch.stack(list(prediction)), torch.stack(list(expected))
        off = _distances(own, before)
        self.near += int(_near(own, off).sum())
        self.points += off.size
        self.shift.append(float(off.sum()))

    def merge(self, other: KeyPointTally) -> None:
        """Add the persons of another part of the set, which come after these."""
        self.counts += other.counts
        self.persons += other.persons
        self.near, self.points = self.near + other.near, self.points + other.points
        self.shift += other.shift

    @property
    def labelled(self) -> bool:
        """Whether any point had a label."""
        return bool(self.counts[0].any())

    @property
    def main(self) -> float | None:
        """PCK: the share of labelled points within NEAR of the box's longer side."""
        return int(self.counts[1].sum()) / int(self.counts[0].sum()) if self.labelled else None

    @property
    def same(self) -> float | None:
        """The share of points within NEAR of float's."""
        return self.near / self.points if self.points else None

    @property
    def apart(self) -> int:
        """The points that were compared."""
        return self.points

    def scores(self, names: Sequence[str]) -> dict[str, Any]:
        """`pck`, `oks`, `oks_ap`, and `class_pck` by kind of point, None for one that no label has."""
        of_kind = [near / count if count else None for count, near in zip(*self.counts.tolist(), strict=True)]
        alike = [similarity(one.truth, one.found, one.area, self.sigmas) for one in self.persons]
        return {
            "pck": self.main,
            "oks": sum(alike) / len(alike) if alike else None,
            "oks_ap": points_precision(self.persons, self.sigmas.tolist()) if alike else None,
            "class_pck": dict(zip(names, of_kind, strict=True)),
        }

    def distances(self) -> dict[str, float]:
        """`points_moved`: the share that isn't near float's; `mean_shift`: of all points, in pixels."""
        if not self.points:
            return {}
        return {"points_moved": (self.points - self.near) / self.points, "mean_shift": fsum(self.shift) / self.points}


def predict(outputs: Outputs, frame: Frame) -> Tensor:
    """(N, points, 4) of heat maps (N, points, h, w): x, y in pixels, peak, and the longer side of the person's box."""
    assert isinstance(outputs, Tensor)
    maps = outputs.float().cpu().numpy()
    points = torch.from_numpy(np.stack([points_of(one, frame.canvas or frame.size) for one in maps]))
    sides = torch.tensor(frame.sides or (float(max(frame.size)),) * len(maps))
    return torch.cat([points, sides[:, None, None].expand(-1, points.shape[1], 1)], 2)


def _near(points: Tensor, off: np.ndarray) -> np.ndarray:
    """Which distances (N, points) are small for the person."""
    return off <= NEAR * np.asarray(points[..., 3])


def _distances(points: Tensor, others: Tensor) -> np.ndarray:
    """(N, points) in pixels."""
    return np.asarray((points[..., :2].double() - others[..., :2].double()).norm(dim=-1))


def fault(outputs: object, num_classes: int) -> str:
    """What was expected of a network's outputs; "" for heat maps."""
    if isinstance(outputs, Tensor) and outputs.ndim == 4 and outputs.shape[1] == num_classes:
        return ""
    return f"heat maps (N, {num_classes}, h, w), one a key point: check DATASET.NUM_CLASSES"


def with_points(task: Task, names: Sequence[str], sigmas: Sequence[float] = (), skeleton: Skeleton = ()) -> Task:
    """The task for the points `names`; `sigmas`: of each, where they aren't COCO's; `skeleton`: pairs to draw."""
    tally = partial(KeyPointTally, sigmas=tuple(sigmas) or sigmas_of(names))
    return replace(task, tally=tally, drawing=PointDrawing(skeleton))


KEYPOINTS = Task(
    name="keypoints",
    predict=predict,
    tally=KeyPointTally,
    fault=fault,
    score="pck",
    score_title="PCK",
    second="oks",
    second_title="OKS",
    classes="class_pck",
    class_title="PCK",
    changed="points_moved",
    changed_title="points\nmoved",
    unit="points",
    kept="points, within 5 % of the box's longer side",
    more=(("oks_ap", "AP\nof OKS"),),
    pixels=(("mean_shift", "mean\nshift px"),),
    grain=0.02,
    drawing=PointDrawing(),
)
