"""What a data set's classes are called and how they are drawn; the train id that is ignored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORE = 255


@dataclass(frozen=True)
class ClassSet:
    """What a data set's classes are called, how they are drawn and how much each weighs in a balanced loss."""

    names: tuple[str, ...]
    palette: NDArray[np.uint8]  # (classes, 3) RGB
    weights: tuple[float, ...] | None = None

    def resized(self, num_classes: int) -> ClassSet:
        """The set itself, or numbered classes where a user's data has another number of them (own train ids)."""
        if num_classes == len(self.names):
            return self
        names = tuple(f"class {index}" for index in range(num_classes))
        return ClassSet(names, np.resize(self.palette, (num_classes, 3)))
