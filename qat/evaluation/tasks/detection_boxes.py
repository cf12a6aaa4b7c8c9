"""What detection predicts of a picture, and its labels, in the picture's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PictureBoxes:
    """A picture's boxes (k, 6): x1, y1, x2, y2 in its pixels, score, class; `size`: its height and width.

    `scored`: every one that could be right, for a score; `shown`: those to look at, and to hold against float's.
    """

    scored: Floats
    shown: Floats
    size: tuple[int, int]


def in_pixels(label: Floats, size: Sequence[int]) -> Floats:
    """Labels (n, 5), class and corners as shares of the sides, in pixels of a picture of `size` (height, width)."""
    height, width = size
    pixels: Floats = label.reshape(-1, 5) * np.array([1, width, height, width, height], np.float32)
    return pixels
