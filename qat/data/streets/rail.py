"""Trams: long, pale, with a stripe, a window band and a pantograph (the Cityscapes class `train`)."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import BLACK, Colour, Palette, pick
from qat.data.streets.solid import Face, Frame, paint_prism, ring

_STRIPES: Palette = ((0, 132, 122), (30, 90, 190), (122, 40, 140))
_BODIES: Palette = ((236, 236, 226), (222, 228, 234), (240, 230, 206))


def paint_train(canvas: Canvas, rng: np.random.Generator, frame: Frame, cars: int = 2) -> None:
    """Paint a tram of `cars` cars, 9 m each, the farthest first."""
    body, stripe = pick(rng, _BODIES, 8), pick(rng, _STRIPES, 12)
    order = np.argsort([-_centre(frame, index, cars).z for index in range(cars)])
    for index in order:
        _paint_car(canvas, _centre(frame, int(index), cars), body, stripe)
    _pantograph(canvas, frame)


def _centre(frame: Frame, index: int, cars: int) -> Frame:
    x, _, z = frame.place(((index - (cars - 1) / 2) * 9.3, 0.0, 0.0))
    return Frame(float(x), float(z), frame.heading)


def _paint_car(canvas: Canvas, frame: Frame, body: Colour, stripe: Colour) -> None:
    walls = paint_prism(canvas, frame, ring(9, 2.6, 0.12), ring(9, 2.6, 3.1), body, ids.TRAIN)
    paint_prism(canvas, frame, ring(8.8, 2.4, 3.1), ring(8.2, 1.8, 3.5), (122, 126, 132), ids.TRAIN)
    for face in walls:
        canvas.shape(face.patch(0, 0, 1, 0.11), (58, 58, 64))
        canvas.shape(face.patch(0, 0.13, 1, 0.3), stripe)
        canvas.shape(face.patch(0, 0.9, 1, 0.96), stripe)
        if face.name in ("left", "right"):
            _side(canvas, face)
        else:
            _end(canvas, face, stripe)


def _side(canvas: Canvas, face: Face) -> None:
    canvas.shape(face.patches(6, 0.02, 0.46, 0.98, 0.84, 0.8), (40, 48, 60))
    canvas.shape(face.patches(2, 0.1, 0.12, 0.9, 0.84, 0.2), (86, 98, 110))


def _end(canvas: Canvas, face: Face, stripe: Colour) -> None:
    canvas.shape(face.at([(0.1, 0.42), (0.9, 0.42), (0.82, 0.84), (0.18, 0.84)]), (30, 36, 46))
    canvas.shape(face.patch(0.3, 0.86, 0.7, 0.95), (255, 190, 60))
    lamp = (255, 250, 220) if face.name == "front" else (220, 30, 30)
    for left in (0.1, 0.78):
        canvas.shape(face.patch(left, 0.32, left + 0.12, 0.38), lamp)


def _pantograph(canvas: Canvas, frame: Frame) -> None:
    x, _, z = frame.place((0.0, 0.0, 0.0))
    for near, far in ((-0.7, 0.45), (0.7, -0.45)):
        rod = [(x + near, 3.45, z), (x + near + 0.14, 3.45, z), (x + far + 0.14, 4.2, z), (x + far, 4.2, z)]
        canvas.shape(rod, BLACK, ids.TRAIN)
    bar = [(x - 0.9, 4.2, z), (x + 0.9, 4.2, z), (x + 0.9, 4.34, z), (x - 0.9, 4.34, z)]
    canvas.shape(bar, BLACK, ids.TRAIN)
