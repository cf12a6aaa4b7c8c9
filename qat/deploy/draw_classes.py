"""Classes as colours over a picture, and a classifier's names on it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
LEAST = 224  # pixels of a named picture's shorter side: names have to fit
_LINE, _FONT = 18, cv2.FONT_HERSHEY_SIMPLEX


def draw_classes(picture: Picture, classes: NDArray[np.uint8], palette: Picture, alpha: float = 0.6) -> Picture:
    """Blend the colours of classes over a picture; a class without a colour (void, 255) stays as it is.

    Args:
        picture: (H, W, 3) RGB, which stays as it is.
        classes: (H, W).
        palette: (classes, 3) RGB.
        alpha: the share of the colour, 0 to 1.

    Returns:
        The drawn picture.

    Example:
        >>> grey, red = np.full((1, 2, 3), 100, np.uint8), np.array([[255, 0, 0]], np.uint8)
        >>> draw_classes(grey, np.array([[0, 255]], np.uint8), red).tolist()
        [[[193, 40, 40], [100, 100, 100]]]
    """
    blended = np.asarray(cv2.addWeighted(picture, 1 - alpha, colours_of(classes, palette), alpha, 0), np.uint8)
    if classes.max(initial=0) >= len(palette):
        void = classes >= len(palette)
        blended[void] = picture[void]
    return blended


def colours_of(classes: NDArray[np.uint8], palette: Picture) -> Picture:
    """The colour of each pixel's class, (H, W, 3); black for a class without one.

    >>> colours_of(np.array([[1, 255]], np.uint8), np.array([[1, 2, 3], [4, 5, 6]], np.uint8)).tolist()
    [[[4, 5, 6], [0, 0, 0]]]
    """
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(palette), 0] = palette[:256]
    return np.asarray(cv2.applyColorMap(np.ascontiguousarray(classes), table), np.uint8)


def names_and_chances(found: Sequence[Sequence[float]], names: Sequence[str]) -> list[str]:
    """A line each of classes and chances.

    >>> names_and_chances([[1, 0.75], [0, 0.25]], ["bus", "car"])
    ['car 75.0%', 'bus 25.0%']
    """
    return [f"{names[int(kind)]} {chance:.1%}" for kind, chance in found]


def draw_lines(picture: Picture, lines: Sequence[str]) -> Picture:
    """The lines in white on a darkened band at a picture's bottom; a small picture becomes larger."""
    drawn = _enlarged(picture)
    top = drawn.shape[0] - _LINE * len(lines) - 4
    drawn[top:] //= 4
    for index, line in enumerate(lines):
        place = (4, top + _LINE * (index + 1) - 3)
        cv2.putText(drawn, line, place, _FONT, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return drawn


def _enlarged(picture: Picture) -> Picture:
    ratio = LEAST / min(picture.shape[:2])
    if ratio <= 1:
        return np.array(picture, np.uint8)
    size = (round(picture.shape[1] * ratio), round(picture.shape[0] * ratio))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST), np.uint8)
