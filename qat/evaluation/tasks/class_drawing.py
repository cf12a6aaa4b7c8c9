"""Pictures of classes: the five likeliest names with their chances, over a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qat.data.descriptor import ClassSet

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
LEAST = 224  # pixels of a drawn picture's shorter side: names have to fit
_LINE, _FONT = 18, cv2.FONT_HERSHEY_SIMPLEX


class ClassDrawing:
    """How classification is drawn; a small picture is drawn larger."""

    def prediction(self, image: Picture, prediction: Tensor, classes: ClassSet) -> Picture:
        """The likeliest classes, `prediction` (five, 2): class and chance."""
        return _written(_enlarged(image), _lines(prediction, classes))

    def changes(self, image: Picture, before: Tensor, after: Tensor, classes: ClassSet) -> Picture:
        """Float's first class and the stage's where they differ, over the picture in the dark."""
        first, other = _lines(before, classes)[0], _lines(after, classes)[0]
        same = int(before[0, 0]) == int(after[0, 0])
        return _written(_enlarged(image // 3), ["equal"] if same else [f"float: {first}", f"stage: {other}"])

    def truth(self, image: Picture, label: Any, classes: ClassSet) -> Picture:
        """The label (1,)."""
        return _written(_enlarged(image), [classes.names[int(label)]])


def _lines(prediction: Tensor, classes: ClassSet) -> list[str]:
    return [f"{classes.names[int(kind)]} {chance:.1%}" for kind, chance in prediction.tolist()]


def _enlarged(image: Picture) -> Picture:
    ratio = LEAST / min(image.shape[:2])
    if ratio <= 1:
        return np.array(image, np.uint8)
    size = (round(image.shape[1] * ratio), round(image.shape[0] * ratio))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _written(image: Picture, lines: Sequence[str]) -> Picture:
    """The lines in white on a darkened band at the bottom."""
    top = image.shape[0] - _LINE * len(lines) - 4
    image[top:] //= 4
    for index, line in enumerate(lines):
        place = (4, top + _LINE * (index + 1) - 3)
        cv2.putText(image, line, place, _FONT, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return image
