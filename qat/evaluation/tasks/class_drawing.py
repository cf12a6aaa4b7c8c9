"""Pictures of classes: the five likeliest names with their chances, over a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qat.data.descriptor import ClassSet
from qat.deploy.draw_classes import draw_lines, names_and_chances

Picture = NDArray[np.uint8]  # (H, W, 3) RGB


class ClassDrawing:
    """How classification is drawn; a small picture is drawn larger."""

    def prediction(self, image: Picture, prediction: Tensor, classes: ClassSet) -> Picture:
        """The likeliest classes, `prediction` (five, 2): class and chance."""
        return draw_lines(image, _lines(prediction, classes))

    def changes(self, image: Picture, before: Tensor, after: Tensor, classes: ClassSet) -> Picture:
        """Float's first class and the stage's where they differ, over the picture in the dark."""
        first, other = _lines(before, classes)[0], _lines(after, classes)[0]
        same = int(before[0, 0]) == int(after[0, 0])
        return draw_lines(image // 3, ["equal"] if same else [f"float: {first}", f"stage: {other}"])

    def truth(self, image: Picture, label: Any, classes: ClassSet) -> Picture:
        """The label (1,)."""
        return draw_lines(image, [classes.names[int(label)]])


def _lines(prediction: Tensor, classes: ClassSet) -> list[str]:
    return names_and_chances(prediction.tolist(), classes.names)
