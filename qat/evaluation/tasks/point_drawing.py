"""Pictures of key points: a dot with its name's colour, and how far a stage moves it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qat.data.descriptor import ClassSet

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
SURE = 0.2  # of a peak, below which a point isn't drawn
WHITE = (255, 255, 255)


class PointDrawing:
    """How key points are drawn; every picture (H, W, 3) RGB stays as it is."""

    def prediction(self, image: Picture, prediction: Tensor, classes: ClassSet) -> Picture:
        """The points (points, 5) that the network is sure of."""
        drawn = np.array(image, np.uint8)
        for (x, y, value, *_), colour in zip(prediction.tolist(), classes.palette.tolist(), strict=False):
            if value > SURE:
                cv2.circle(drawn, (round(x), round(y)), _radius(image), colour, -1, cv2.LINE_AA)
        return drawn

    def changes(self, image: Picture, before: Tensor, after: Tensor, classes: ClassSet) -> Picture:
        """A line from each of float's points to the stage's, over the picture in the dark."""
        drawn = np.array(image // 3, np.uint8)
        for (x, y, value, *_), (other_x, other_y, *_) in zip(before.tolist(), after.tolist(), strict=True):
            if value > SURE:
                cv2.line(drawn, (round(x), round(y)), (round(other_x), round(other_y)), WHITE, 1, cv2.LINE_AA)
                cv2.circle(drawn, (round(other_x), round(other_y)), _radius(image), WHITE, 1, cv2.LINE_AA)
        return drawn

    def truth(self, image: Picture, label: Any, classes: ClassSet) -> Picture:
        """Labels (points, 3) in pixels, the third above 0 where the point is seen."""
        return self.prediction(image, label, classes)


def _radius(image: Picture) -> int:
    return max(2, int(min(image.shape[:2])) // 64)
