"""Key points over a picture: a dot in each one's colour, and lines between those that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
SURE = 0.2  # of a peak, below which a point isn't drawn
WHITE = (255, 255, 255)
SMALL = 24  # dots' radii in a person's height


def draw_points(
    picture: Picture, points: NDArray[Any], palette: Picture, skeleton: Sequence[Sequence[int]] = ()
) -> Picture:
    """Draws the points of a person that a network is sure of.

    Args:
        picture: (H, W, 3) RGB, which stays as it is.
        points: (points, 3 or more): x, y in pixels and the peak's value.
        palette: (points, 3) RGB.
        skeleton: pairs of points, between which a line is drawn where both are sure.

    Returns:
        The drawn picture.

    Example:
        >>> red = np.array([[255, 0, 0]], np.uint8)
        >>> draw_points(np.zeros((16, 16, 3), np.uint8), np.array([[8, 8, 0.9]]), red)[8, 8].tolist()
        [255, 0, 0]
    """
    drawn: Picture = np.array(picture, np.uint8)
    sure = points[:, 2] > SURE
    for first, second in skeleton:
        if sure[first] and sure[second]:
            width = max(1, radius(picture, points) // 2)
            cv2.line(drawn, place(points[first]), place(points[second]), WHITE, width, cv2.LINE_AA)
    for point, colour in zip(points[sure], palette[np.flatnonzero(sure)].tolist(), strict=True):
        cv2.circle(drawn, place(point), radius(picture, points), colour, -1, cv2.LINE_AA)
    return drawn


def place(point: NDArray[Any]) -> tuple[int, int]:
    """The pixel of x and y."""
    return round(float(point[0])), round(float(point[1]))


def radius(picture: Picture, points: NDArray[Any]) -> int:
    """Pixels of a dot: what the picture's size allows, and small beside the person.

    >>> radius(np.zeros((512, 512, 3), np.uint8), np.array([[0, 0], [10, 48]]))
    2
    """
    largest, extent = max(2, int(min(picture.shape[:2])) // 64), float(np.ptp(points[:, :2], axis=0).max())
    return min(largest, max(1, round(extent / SMALL))) if extent else largest
