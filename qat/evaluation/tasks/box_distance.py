"""How far a stage's boxes are from float's, without labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qat.deploy.boxes import overlaps

MATCHED = 0.5  # IoU from which two boxes of a class are the same object
Floats = NDArray[np.float32]


@dataclass
class BoxDistance:
    """Sums over `pictures`. `float_boxes`, `own_boxes`: how many there were; `ious`, `changes`: of matched pairs."""

    pictures: int = 0
    float_boxes: int = 0
    own_boxes: int = 0
    ious: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)

    def update(self, boxes: Floats, reference: Floats) -> None:
        """Add a picture's boxes (k, 6) and float's (n, 6): x1, y1, x2, y2, score, class."""
        pairs, ious = match_boxes(boxes, reference)
        self.pictures += 1
        self.float_boxes += len(reference)
        self.own_boxes += len(boxes)
        self.ious += ious
        self.changes += [float(abs(boxes[own, 4] - reference[other, 4])) for own, other in pairs]

    def merge(self, other: BoxDistance) -> None:
        """Add the pictures of another part of the set, which come after these."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def agreement(self) -> float:
        """Twice the matched boxes over all boxes of both; 1 where there are none."""
        everything = self.float_boxes + self.own_boxes
        return 2 * len(self.ious) / everything if everything else 1.0

    def figures(self) -> dict[str, float]:
        """Shares from 0 to 1, by metrics.json's keys.

        Boxes of both that have no match; float's boxes that the stage has, the stage's that float has; and of the
        matched, where there are some, the mean IoU and the mean change of the score.
        """
        matched = len(self.ious)
        shares = {
            "boxes_changed": 1 - self.agreement,
            "boxes_kept": matched / self.float_boxes if self.float_boxes else 1.0,
            "boxes_confirmed": matched / self.own_boxes if self.own_boxes else 1.0,
        }
        if not matched:
            return shares
        return shares | {"matched_iou": float(np.mean(self.ious)), "score_change": float(np.mean(self.changes))}


def match_boxes(boxes: Floats, reference: Floats) -> tuple[list[tuple[int, int]], list[float]]:
    """Pairs (row of `boxes`, row of `reference`) of one class and an IoU of `MATCHED` or more, and their IoU.

    The pair of the highest IoU first, and no box twice.

    >>> first = np.array([[0, 0, 4, 4, 0.9, 1], [9, 9, 12, 12, 0.8, 1]], np.float32)
    >>> match_boxes(first, first[::-1])
    ([(0, 1), (1, 0)], [1.0, 1.0])
    """
    table = overlaps(boxes[:, :4], reference[:, :4]) * (boxes[:, None, 5] == reference[None, :, 5])
    pairs: list[tuple[int, int]] = []
    ious: list[float] = []
    for place in np.argsort(-table, axis=None, kind="stable"):
        own, other = divmod(int(place), table.shape[1])
        if table[own, other] < MATCHED:
            break
        if all(own != one and other != two for one, two in pairs):
            pairs.append((own, other))
            ious.append(float(table[own, other]))
    return pairs, ious
