"""Pictures of key points: a skeleton, a dot in each point's colour, and how far a stage moves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.descriptor import ClassSet
from qat.deploy.draw_points import SURE, WHITE, draw_points, place, radius

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
Skeleton: TypeAlias = tuple[tuple[int, int], ...]  # pairs of points


@dataclass(frozen=True)
class PointDrawing:
    """How key points are drawn; every picture (H, W, 3) RGB stays as it is.

    Predictions are one person's points (points, 3 or more), x, y and peak, or several persons'.
    """

    skeleton: Skeleton = ()

    def prediction(self, image: Picture, prediction: Any, classes: ClassSet) -> Picture:
        """The points that the network is sure of, and the skeleton between them."""
        drawn = image
        for points in _persons(prediction):
            drawn = draw_points(drawn, points, classes.palette, self.skeleton)
        return drawn

    def changes(self, image: Picture, before: Any, after: Any, classes: ClassSet) -> Picture:
        """A line from each of float's points to the stage's, over the picture in the dark."""
        drawn = np.array(image // 3, np.uint8)
        for own, other in zip(_persons(before), _persons(after), strict=True):
            for first, second in zip(own, other, strict=True):
                if first[2] > SURE:
                    cv2.line(drawn, place(first), place(second), WHITE, 1, cv2.LINE_AA)
                    cv2.circle(drawn, place(second), radius(image, own), WHITE, 1, cv2.LINE_AA)
        return drawn

    def truth(self, image: Picture, label: Any, classes: ClassSet) -> Picture:
        """Labels (points, 3 or more) in pixels, the third above 0 where the point is labelled."""
        return self.prediction(image, label, classes)


def _persons(points: Any) -> Iterator[NDArray[np.float64]]:
    """The points of each person."""
    whole = np.asarray(points, np.float64)
    yield from whole.reshape(-1, *whole.shape[-2:])
