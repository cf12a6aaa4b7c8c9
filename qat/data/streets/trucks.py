"""Trucks: a pale ribbed box and a coloured cab, at any heading."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import BLACK, GLASS, TYRE, Colour, Palette, pick, shade
from qat.data.streets.solid import Face, Frame, paint_prism, ring
from qat.data.streets.wheels import paint_lamps, paint_wheels

_BOXES: Palette = ((224, 220, 208), (208, 196, 168), (186, 190, 186))
_CABS: Palette = ((196, 60, 30), (40, 110, 60), (44, 74, 150), (120, 40, 48))


def paint_truck(canvas: Canvas, rng: np.random.Generator, frame: Frame) -> None:
    """Paint a truck 7.5 m long: a pale ribbed box behind a coloured cab, open wheels."""
    box, cab, width, top = pick(rng, _BOXES, 8), pick(rng, _CABS), 2.5, rng.uniform(3.2, 3.6)

    def paint_cab() -> None:
        for face in paint_prism(canvas, frame, ring(1.8, 2.3, 0.4, 2.85), ring(1.6, 2.2, 2.7, 2.8), cab, ids.TRUCK):
            if face.name == "front":
                canvas.shape(face.patch(0.06, 0.5, 0.94, 0.86), GLASS)
                canvas.shape(face.patch(0.2, 0.2, 0.8, 0.4), BLACK)
                paint_lamps(canvas, face, 0.06, 0.18)
            elif face.name != "rear":
                canvas.shape(face.patch(0.2, 0.5, 0.85, 0.86), GLASS)

    def paint_box() -> None:
        chassis = ring(5.4, 2.2, 0.35, -0.9), ring(5.4, 2.2, 0.85, -0.9)
        for face in paint_prism(canvas, frame, *chassis, (44, 44, 48), ids.TRUCK):
            if face.name in ("left", "right"):
                paint_wheels(canvas, face, 5.4, (0.15, 0.36, 0.95), 0.48, ids.TRUCK)
            else:
                paint_lamps(canvas, face, 0.3, 0.8, 0.14)
                for left in (0.0, 0.82):
                    canvas.shape(
                        face.at([(left, -0.7), (left + 0.18, -0.7), (left + 0.18, 0.1), (left, 0.1)]), TYRE, ids.TRUCK
                    )
        for face in paint_prism(
            canvas, frame, ring(5.6, width, 0.85, -0.9), ring(5.6, width, top, -0.9), box, ids.TRUCK
        ):
            _box_wall(canvas, face, box, cab)

    away = np.cos(frame.heading) > -0.2
    for paint in (paint_cab, paint_box) if away else (paint_box, paint_cab):
        paint()


def _box_wall(canvas: Canvas, face: Face, box: Colour, cab: Colour) -> None:
    if face.name in ("left", "right"):
        canvas.shape(face.patches(9, 0.02, 0.03, 0.98, 0.97, 0.12), shade(box, 0.74))
        canvas.shape(face.patch(0.2, 0.4, 0.8, 0.62), cab)
        return
    canvas.shape(face.patch(0.48, 0.03, 0.52, 0.95), shade(box, 0.55))
    canvas.shape(face.patches(2, 0.15, 0.1, 0.85, 0.9, 0.06), shade(box, 0.5))
    canvas.shape(face.patch(0.0, 0.0, 1.0, 0.07), (200, 60, 40))
