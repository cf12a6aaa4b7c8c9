"""A person cut out of a picture for a top-down pose network, and points back.

The box is widened to the network's aspect ratio about its centre, then by a quarter, and scaled, as mmpose's top-down
pose networks are fed (mmpose 0.x, `TopDownAffine` without rotation; its padding is 1.25).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels, from the picture's upper left corner
Size = tuple[int, int]  # width, height
PADDING = 1.25
_HALF = 0.5  # a pixel's centre from its corner


@dataclass(frozen=True)
class PersonCrop:
    """How the person in `box` goes into a network that takes pictures of `size`.

    `padding`: of the box's sides; 1 where the picture is the person already.

    >>> crop = PersonCrop((10, 20, 30, 60), (96, 128))
    >>> crop.scale, crop.into(np.array([[20, 40]])).tolist()
    (2.56, [[48.0, 64.0]])
    """

    box: Box
    size: Size
    padding: float = PADDING

    @property
    def scale(self) -> float:
        """Pixels of the crop in a pixel of the picture."""
        left, top, right, bottom = self.box
        return min(self.size[0] / (right - left), self.size[1] / (bottom - top)) / self.padding

    @property
    def longer_side(self) -> float:
        """The box's longer side in the crop's pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top) * self.scale

    @property
    def corner(self) -> NDArray[np.float64]:
        """x and y in the picture of the crop's upper left corner."""
        centre = np.array([self.box[0] + self.box[2], self.box[1] + self.box[3]]) / 2
        corner: NDArray[np.float64] = centre - np.array(self.size) / (2 * self.scale)
        return corner

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, C) -> (h, w, C), black where the picture ends."""
        shift = (_HALF - self.corner) * self.scale - _HALF
        matrix = np.array([[self.scale, 0, shift[0]], [0, self.scale, shift[1]]])
        seen = cv2.warpAffine(picture, matrix, self.size, flags=cv2.INTER_LINEAR)
        return seen.reshape(self.size[1], self.size[0], picture.shape[2])  # type: ignore[return-value]

    def into(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """x, y (n, 2) and more columns, in the picture's pixels -> in the crop's."""
        return np.column_stack([(points[:, :2] - self.corner) * self.scale, points[:, 2:]])

    def back(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """x, y (n, 2) and more columns, in the crop's pixels -> in the picture's."""
        return np.column_stack([points[:, :2] / self.scale + self.corner, points[:, 2:]])


def whole_picture(picture: NDArray[np.uint8], size: Size) -> PersonCrop:
    """A picture (H, W, C) that is a person already: all of it, at its own aspect ratio.

    >>> whole_picture(np.zeros((64, 32, 3), np.uint8), (96, 128)).scale
    2.0
    """
    return PersonCrop((0.0, 0.0, float(picture.shape[1]), float(picture.shape[0])), size, padding=1.0)
