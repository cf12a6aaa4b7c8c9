"""Cars: body, cabin with windows, at any heading."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import BLACK, GLASS, WHITE, Colour, Palette, pick, shade
from qat.data.streets.solid import Frame, paint_prism, ring, visible_faces
from qat.data.streets.wheels import paint_lamps, paint_wheels

_CARS: Palette = (
    (176, 34, 38), (38, 66, 128), (206, 208, 212),
    (52, 54, 60), (232, 232, 228), (104, 128, 150), (44, 92, 76), (146, 114, 70)
)  # fmt: skip


def paint_car(canvas: Canvas, rng: np.random.Generator, frame: Frame) -> None:
    """Paint a car 4.2 m long: body, cabin with windows, wheels, lamps, plate."""
    colour, length, width = pick(rng, _CARS), 4.2, 1.8
    tail = rng.uniform(0.0, 0.55)
    low, belt = ring(length, width, 0.2), ring(length, width, 0.9)
    for side in visible_faces(canvas, frame, ring(length, width, 0), ring(length, width, 0.2)):
        canvas.shape(side.patch(0.03, 0.25, 0.97, 1), BLACK, ids.CAR)
    faces = paint_prism(canvas, frame, low, belt, colour, ids.CAR)
    for face in faces:
        if face.name in ("left", "right"):
            paint_wheels(canvas, face, length, (0.2, 0.8), 0.34, ids.CAR)
            canvas.shape(face.patch(0.02, 0.45, 0.98, 0.5), shade(colour, 0.75))
        else:
            paint_lamps(canvas, face, 0.55, 0.88, 0.2)
            canvas.shape(face.patch(0.0, 0.0, 1.0, 0.26), (48, 48, 52))
            canvas.shape(face.patch(0.36, 0.34, 0.64, 0.54), WHITE if face.name == "rear" else BLACK)
    _cabin(canvas, frame, colour, length, width, tail)


def _cabin(canvas: Canvas, frame: Frame, colour: Colour, length: float, width: float, tail: float) -> None:
    low = ring(length - 1.0 - tail, width - 0.08, 0.88, -0.45 + tail / 2)
    high = ring(length - 2.0 - tail, width - 0.42, 1.48, -0.4 + tail / 2)
    for face in paint_prism(canvas, frame, low, high, shade(colour, 0.95), ids.CAR):
        if face.name in ("left", "right"):
            canvas.shape(face.patches(2, 0.06, 0.1, 0.94, 0.84, 0.9), GLASS)
        else:
            canvas.shape(face.patch(0.08, 0.1, 0.92, 0.86), shade(GLASS, 1.1))
            canvas.shape(face.at([(0.14, 0.14), (0.34, 0.14), (0.52, 0.82), (0.36, 0.82)]), shade(GLASS, 1.5))
