"""Pictures of boxes: what a stage finds, what the labels say, and where two stages differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qat.data.descriptor import ClassSet
from qat.deploy.draw_boxes import draw_boxes
from qat.evaluation.tasks.box_distance import match_boxes
from qat.evaluation.tasks.detection_boxes import PictureBoxes, in_pixels

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
DIFFERENCES = ("float alone", "stage alone")
_COLOURS = np.array([[255, 88, 60], [64, 196, 255]], np.uint8)  # told apart with any colour vision


class BoxDrawing:
    """How detection is drawn; every picture (H, W, 3) RGB stays as it is."""

    def prediction(self, image: Picture, prediction: PictureBoxes, classes: ClassSet) -> Picture:
        """Boxes with class and score."""
        return draw_boxes(image, prediction.shown, classes.names, classes.palette)

    def changes(self, image: Picture, before: PictureBoxes, after: PictureBoxes, classes: ClassSet) -> Picture:
        """The boxes that float or the stage has alone, over the picture in the dark."""
        pairs, _ = match_boxes(after.shown, before.shown)
        matched = [own for own, _ in pairs], [other for _, other in pairs]
        alone = [np.delete(before.shown, matched[1], 0), np.delete(after.shown, matched[0], 0)]
        for kind, boxes in enumerate(alone):
            boxes[:, 5] = kind
        return draw_boxes(image // 3, np.concatenate(alone), DIFFERENCES, _COLOURS)

    def truth(self, image: Picture, label: Any, classes: ClassSet) -> Picture:
        """Labels (n, 5), class and corners as shares of the sides."""
        boxes = in_pixels(np.asarray(label, np.float32), image.shape[:2])
        return draw_boxes(image, np.roll(boxes, -1, 1), classes.names, classes.palette)
