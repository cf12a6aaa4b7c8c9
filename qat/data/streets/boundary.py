"""What stands along a pavement's outer edge: brick walls, fences with bars, hedges."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import Palette, pick, shade
from qat.data.streets.facades import Lot
from qat.data.streets.solid import Face

_BRICKS: Palette = ((148, 84, 66), (162, 104, 80), (130, 78, 70))
_STONES: Palette = ((150, 146, 136), (168, 158, 140))
_BARS: Palette = ((228, 226, 216), (52, 78, 62), (46, 46, 50), (128, 92, 58), (92, 112, 140))
_HEDGES: Palette = ((52, 92, 40), (66, 106, 48), (44, 80, 46))


def _screen(lot: Lot, top: float) -> Face:
    near, far = (lot.far, lot.near) if lot.x > 0 else (lot.near, lot.far)
    corners = [(lot.x, 0, near), (lot.x, 0, far), (lot.x, top, far), (lot.x, top, near)]
    return Face("screen", np.array(corners, dtype=np.float64))


def paint_wall(canvas: Canvas, rng: np.random.Generator, lot: Lot) -> None:
    """Paint a low wall of bricks or stones with a coping and a post at its near end."""
    top = rng.uniform(1.2, 2.1)
    colour = pick(rng, _BRICKS if rng.random() < 0.7 else _STONES, 8)
    face = _screen(lot, top)
    canvas.shape(face.corners, colour, ids.WALL)
    courses = max(4, round(top / 0.26))
    for course in range(1, courses):
        height = course / courses
        canvas.shape(face.patch(0, height - 0.012, 1, height + 0.012), shade(colour, 1.32))
        bricks = max(2, int((lot.far - lot.near) / 0.62))
        shift = 0.5 / bricks * (course % 2)
        joints = face.patches(bricks, shift, height - 1 / courses, 1 - 1 / bricks + shift, height, 0.09)
        canvas.shape(joints, shade(colour, 1.25))
    canvas.shape(face.patch(0, 0.92, 1, 1.03), shade(colour, 0.62), ids.WALL)
    _end(canvas, lot, top + 0.12, shade(colour, 0.8))


def _end(canvas: Canvas, lot: Lot, top: float, colour: tuple[float, float, float]) -> None:
    back, z = lot.x + 0.45 * lot.side, lot.near
    canvas.shape([(lot.x, 0, z), (back, 0, z), (back, top, z), (lot.x, top, z)], colour, ids.WALL)


def paint_fence(canvas: Canvas, rng: np.random.Generator, lot: Lot) -> None:
    """Paint a fence of upright bars between two rails; the whole screen is fence, as in Cityscapes."""
    top = rng.uniform(1.2, 2.0)
    colour = pick(rng, _BARS, 8)
    face = _screen(lot, top)
    gap = (74, 88, 62) if sum(colour) > 270 else (142, 150, 122)
    canvas.shape(face.corners, pick(rng, (gap,), 8), ids.FENCE)
    bars = max(3, int((lot.far - lot.near) / rng.uniform(0.34, 0.5)))
    canvas.shape(face.patches(bars, 0, 0, 1, 1, 0.42), colour)
    for height in (0.14, 0.8):
        canvas.shape(face.patch(0, height, 1, height + 0.08), shade(colour, 0.85))
    posts = max(2, int((lot.far - lot.near) / 2.4))
    canvas.shape(face.patches(posts, 0, 0, 1, 1.06, 0.08), shade(colour, 0.75), ids.FENCE)


def paint_hedge(canvas: Canvas, rng: np.random.Generator, lot: Lot) -> None:
    """Paint a clipped hedge with a bumpy top."""
    top = rng.uniform(1.1, 1.9)
    colour = pick(rng, _HEDGES, 8)
    canvas.shape(_screen(lot, top).corners, colour, ids.VEGETATION)
    for z in np.arange(lot.far, lot.near, -0.8):
        canvas.disc((lot.x, top, z), rng.uniform(0.25, 0.45), shade(colour, rng.uniform(0.85, 1.2)), ids.VEGETATION)
    canvas.shape(_screen(lot, 0.35).corners, shade(colour, 0.6))
