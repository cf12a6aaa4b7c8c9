"""Buses: long, with a window band, at any heading."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import BLACK, WHITE, Palette, pick
from qat.data.streets.solid import Frame, paint_prism, ring
from qat.data.streets.wheels import paint_lamps, paint_wheels

_BUSES: Palette = ((236, 178, 28), (202, 38, 38), (240, 150, 40))


def paint_bus(canvas: Canvas, rng: np.random.Generator, frame: Frame) -> None:
    """Paint a bus 10.5 m long: one colour, a long dark window band, a pale rounded roof."""
    colour, length, width = pick(rng, _BUSES, 10), 10.5, 2.5
    body = paint_prism(canvas, frame, ring(length, width, 0.3), ring(length, width, 2.75), colour, ids.BUS)
    paint_prism(
        canvas, frame, ring(length, width, 2.75), ring(length - 0.4, width - 0.5, 3.1), (226, 224, 216), ids.BUS
    )
    for face in body:
        canvas.shape(face.patch(0, 0, 1, 0.1), (52, 50, 52))
        if face.name in ("left", "right"):
            canvas.shape(face.patch(0.01, 0.48, 0.99, 0.9), (34, 40, 48))
            canvas.shape(face.patches(7, 0.02, 0.5, 0.98, 0.88, 0.9), (74, 94, 110))
            canvas.shape(face.patches(2, 0.12, 0.06, 0.98, 0.86, 0.22), (66, 82, 96))
            paint_wheels(canvas, face, length, (0.2, 0.78), 0.5, ids.BUS)
        else:
            canvas.shape(face.patch(0.05, 0.42, 0.95, 0.84), (50, 64, 80))
            canvas.shape(face.patch(0.2, 0.87, 0.8, 0.98), (255, 176, 40) if face.name == "front" else BLACK)
            paint_lamps(canvas, face, 0.14, 0.28, 0.14)
            canvas.shape(face.patch(0.36, 0.13, 0.64, 0.22), WHITE)
