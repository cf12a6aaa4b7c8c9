"""What all vehicles have: wheels and lamps."""

from __future__ import annotations

import numpy as np

from qat.data.streets.camera import Floats
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import TYRE, Colour
from qat.data.streets.solid import Face

_TAIL: Colour = (214, 30, 30)
_HEAD: Colour = (255, 248, 214)


def paint_wheels(
    canvas: Canvas, face: Face, length: float, places: tuple[float, ...], radius: float, label: int
) -> None:
    """Paint wheels at these shares of a side wall's length; radius in metres."""
    base = face.corners[0] * [1, 0, 1]
    run = (face.corners[1] - face.corners[0]) / length
    angles = np.arange(16) * np.pi / 8
    turn = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    for size, colour, kind in ((radius, TYRE, label), (radius * 0.55, (150, 152, 156), None)):
        for place in places:
            along = place * length + size * turn[:, :1]
            points: Floats = base + along * run
            points[:, 1] = radius + size * turn[:, 1]
            canvas.shape(points, colour, kind)


def paint_lamps(canvas: Canvas, face: Face, low: float, high: float, width: float = 0.16) -> None:
    """Paint the two lamps of a front or rear wall; heights and width in shares of it."""
    colour = _TAIL if face.name == "rear" else _HEAD
    for left in (0.04, 0.96 - width):
        canvas.shape(face.patch(left, low, left + width, high), colour)
