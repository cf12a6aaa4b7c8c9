"""Bicycles and motorcycles as filled silhouettes, parked or ridden."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas, upright
from qat.data.streets.colours import CHROME, TYRE, Colour, Palette, pick, shade
from qat.data.streets.people import paint_rider

_FRAMES: Palette = ((206, 44, 44), (38, 122, 190), (56, 158, 84), (236, 236, 230), (232, 150, 40))
_TANKS: Palette = ((196, 30, 34), (30, 60, 150), (232, 110, 20), (36, 110, 60), (120, 30, 110))


def _wheel(canvas: Canvas, x: float, z: float, radius: float, squeeze: float, inside: Colour, label: int) -> None:
    canvas.disc((x, radius, z), radius, TYRE, label, squeeze)
    canvas.disc((x, radius, z), radius * 0.78, inside, None, squeeze)
    canvas.disc((x, radius, z), radius * 0.18, TYRE, None, squeeze)


def paint_bicycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, ridden: bool) -> None:
    """Paint a bicycle seen from the side or at an angle; `ridden` puts a rider on it."""
    way = 1.0 if rng.random() < 0.5 else -1.0
    stretch = rng.uniform(0.75, 1.0)
    radius, half, frame = 0.38, 0.58 * stretch, pick(rng, _FRAMES)

    def put(outline: list[tuple[float, float]], colour: Colour) -> None:
        canvas.shape(upright(x, z, outline, way * stretch), colour, ids.BICYCLE)

    put([(-0.5, 0.36), (-0.1, 0.3), (0.45, 0.42), (0.42, 0.84), (-0.22, 0.84)], (128, 134, 134))
    for centre in (-half * way, half * way):
        _wheel(canvas, x + centre, z, radius, stretch, (158, 162, 160), ids.BICYCLE)
    put([(-0.62, 0.4), (-0.05, 0.28), (0.0, 0.36), (-0.5, 0.46)], frame)
    put([(-0.05, 0.26), (0.05, 0.26), (0.46, 0.8), (0.4, 0.88)], frame)
    put([(-0.26, 0.94), (-0.16, 0.94), (0.06, 0.28), (-0.06, 0.28)], frame)
    put([(-0.24, 0.78), (0.42, 0.8), (0.42, 0.9), (-0.24, 0.88)], frame)
    put([(0.36, 1.02), (0.46, 1.02), (0.64, 0.4), (0.54, 0.4)], frame)
    put([(0.28, 1.0), (0.52, 1.0), (0.52, 1.08), (0.28, 1.08)], TYRE)
    put([(-0.36, 0.94), (-0.06, 0.94), (-0.08, 1.02), (-0.36, 1.03)], TYRE)
    if ridden:
        paint_rider(canvas, rng, x - 0.18 * way * stretch, z, 0.98, 0.45 * way * stretch)


def paint_motorcycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, ridden: bool) -> None:
    """Paint a motorcycle seen from the side or at an angle; `ridden` puts a rider on it."""
    way = 1.0 if rng.random() < 0.5 else -1.0
    stretch = rng.uniform(0.75, 1.0)
    radius, half, tank = 0.37, 0.78 * stretch, pick(rng, _TANKS)

    def put(outline: list[tuple[float, float]], colour: Colour) -> None:
        canvas.shape(upright(x, z, np.asarray(outline), way * stretch), colour, ids.MOTORCYCLE)

    for centre in (-half * way, half * way):
        _wheel(canvas, x + centre, z, radius, stretch, (84, 86, 90), ids.MOTORCYCLE)
    put([(-0.6, 0.22), (0.5, 0.22), (0.6, 0.62), (-0.7, 0.62)], (66, 66, 70))
    put([(-0.25, 0.26), (0.3, 0.26), (0.34, 0.55), (-0.25, 0.55)], CHROME)
    put([(-0.95, 0.3), (-0.1, 0.24), (-0.1, 0.34), (-0.95, 0.42)], CHROME)
    put([(-0.98, 0.8), (-0.3, 0.56), (0.55, 0.5), (0.66, 0.9), (0.1, 1.02), (-0.15, 0.86)], tank)
    put([(-0.98, 0.8), (-0.15, 0.84), (-0.1, 0.96), (-0.9, 0.95)], TYRE)
    put([(0.52, 1.16), (0.64, 1.16), (0.86, 0.38), (0.72, 0.38)], CHROME)
    put([(0.5, 0.66), (0.92, 0.72), (0.8, 1.05), (0.62, 1.3), (0.5, 1.0)], shade(tank, 1.15))
    put([(0.82, 0.8), (0.94, 0.82), (0.9, 0.98), (0.8, 0.98)], (255, 244, 190))
    put([(0.56, 0.72), (1.08, 0.7), (1.08, 0.78), (0.56, 0.8)], tank)
    if ridden:
        paint_rider(canvas, rng, x - 0.25 * way * stretch, z, 0.92, 0.5 * way * stretch)
