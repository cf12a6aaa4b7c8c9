"""Boxes over a picture, each with its class and score."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST = 512  # pixels of the long side, below which lines and letters keep their size


def draw_boxes(picture: Picture, boxes: NDArray[np.float32], names: Sequence[str], palette: Picture) -> Picture:
    """Draws boxes, the best score last and so on top.

    Args:
        picture: (H, W, 3) RGB, which stays as it is.
        boxes: (k, 6): x1, y1, x2, y2 in pixels, score, class; or (k, 5) without a score: x1, y1, x2, y2, class.
        names: of the classes.
        palette: (classes, 3) RGB.

    Returns:
        The drawn picture.

    Example:
        >>> box = np.array([[4, 4, 20, 20, 0.9, 0]], np.float32)
        >>> drawn = draw_boxes(np.zeros((32, 32, 3), np.uint8), box, ["car"], np.array([[255, 0, 0]], np.uint8))
        >>> drawn[20, 12].tolist()
        [255, 0, 0]
    """
    drawn: Picture = picture.copy()
    scale = max(max(picture.shape[:2]) / _SMALLEST, 1.0)
    for *corners, kind in boxes[::-1].tolist():
        colour = tuple(int(part) for part in palette[int(kind) % len(palette)])
        text = names[int(kind)] + (f" {corners[4]:.2f}" if len(corners) > 4 else "")
        _draw(drawn, [round(corner) for corner in corners[:4]], text, colour, scale)
    return drawn


def _draw(drawn: Picture, corners: Sequence[int], text: str, colour: tuple[int, ...], scale: float) -> None:
    left, top, right, bottom = corners
    cv2.rectangle(drawn, (left, top), (right, bottom), colour, round(scale))
    size = 0.3 * scale
    (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
    base = max(top, height + below)  # inside the picture, where the box begins at its top
    cv2.rectangle(drawn, (left, base - height - below), (left + width, base), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(colour) > 384 else (255, 255, 255)
    cv2.putText(drawn, text, (left, base - below // 2 - 1), _FONT, size, ink, 1, cv2.LINE_AA)
