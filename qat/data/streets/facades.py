"""Houses along the street: facade, gable towards the camera, roof, windows, doors, shop fronts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import GLASS, WHITE, Colour, Palette, mix, pick, shade
from qat.data.streets.solid import Face

_RENDER: Palette = (
    (206, 186, 152), (190, 148, 116), (172, 108, 88), (214, 204, 186), (152, 146, 146), (196, 172, 122),
    (178, 182, 192), (206, 156, 130), (148, 122, 108), (226, 214, 176), (142, 92, 78),
)  # fmt: skip
_ROOFS: Palette = ((122, 66, 54), (84, 82, 88), (104, 78, 66), (142, 84, 62))
_DOORS: Palette = ((92, 54, 40), (44, 72, 60), (52, 58, 92), (70, 66, 64), (122, 44, 42))
_AWNINGS: Palette = ((160, 52, 46), (46, 92, 72), (52, 76, 126), (196, 160, 82))
_STOREY = 3.1  # metres


@dataclass(frozen=True)
class Lot:
    """A piece of one side of the street: its front line (x, on the side's sign) from `near` to `far` metres."""

    x: float
    near: float
    far: float

    @property
    def side(self) -> float:
        """-1 on the left of the street, +1 on the right."""
        return 1.0 if self.x > 0 else -1.0


def paint_house(canvas: Canvas, rng: np.random.Generator, lot: Lot) -> None:
    """Paint a house of two to five storeys on `lot`."""
    storeys = int(rng.integers(2, 6))
    top = storeys * _STOREY + 0.6
    colour = pick(rng, _RENDER)
    lit = 1.0 - 0.12 * canvas.sun * lot.side
    _roof(canvas, rng, lot, top)
    _gable(canvas, lot, top, shade(colour, 0.82))
    face = _front(lot, top)
    canvas.shape(face.corners, shade(colour, lit), ids.BUILDING)
    canvas.shape(face.patch(0, 0, 1, 0.6 / top), shade(colour, 0.7))
    canvas.shape(face.patch(0, 1 - 0.35 / top, 1, 1), shade(colour, 1.15))
    _windows(canvas, rng, face, lot, storeys, top)
    _ground_floor(canvas, rng, face, lot, top)


def _front(lot: Lot, top: float) -> Face:
    first, last = (lot.near, lot.far) if lot.x > 0 else (lot.far, lot.near)
    x = lot.x
    return Face("front", np.array([(x, 0, last), (x, 0, first), (x, top, first), (x, top, last)], dtype=np.float64))


def _gable(canvas: Canvas, lot: Lot, top: float, colour: Colour) -> None:
    back = lot.x + lot.side * 9
    wall = [(lot.x, 0, lot.near), (back, 0, lot.near), (back, top, lot.near)]
    canvas.shape([*wall, ((lot.x + back) / 2, top + 2.2, lot.near), (lot.x, top, lot.near)], colour, ids.BUILDING)


def _roof(canvas: Canvas, rng: np.random.Generator, lot: Lot, top: float) -> None:
    ridge = lot.x + lot.side * 4.5
    outline = [(lot.x, top, lot.near), (lot.x, top, lot.far), (ridge, top + 2.2, lot.far), (ridge, top + 2.2, lot.near)]
    canvas.shape(outline, pick(rng, _ROOFS), ids.BUILDING)
    if rng.random() < 0.5:
        z = rng.uniform(lot.near, lot.far)
        stack = [
            (ridge - 0.5, top + 1, z),
            (ridge + 0.5, top + 1, z),
            (ridge + 0.5, top + 3.6, z),
            (ridge - 0.5, top + 3.6, z),
        ]
        canvas.shape(stack, (132, 84, 70), ids.BUILDING)


def _windows(canvas: Canvas, rng: np.random.Generator, face: Face, lot: Lot, storeys: int, top: float) -> None:
    columns = max(2, int((lot.far - lot.near) / rng.uniform(2.2, 3.4)))
    glass = mix(pick(rng, (GLASS, (92, 108, 122), (44, 52, 66))), (250, 214, 140), 0.5 * float(rng.random() < 0.25))
    fill = rng.uniform(0.38, 0.62)
    for storey in range(1, storeys):
        low, high = (storey * _STOREY + 0.9) / top, (storey * _STOREY + 2.4) / top
        canvas.shape(face.patches(columns, 0.03, low - 0.015, 0.97, high + 0.012, fill + 0.1), shade(WHITE, 0.92))
        canvas.shape(face.patches(columns, 0.03, low, 0.97, high, fill), glass)


def _ground_floor(canvas: Canvas, rng: np.random.Generator, face: Face, lot: Lot, top: float) -> None:
    columns = max(2, int((lot.far - lot.near) / 3.2))
    if rng.random() < 0.4:
        canvas.shape(face.patches(columns, 0.03, 0.5 / top, 0.97, 2.4 / top, 0.86), (70, 84, 96))
        canvas.shape(face.patch(0.02, 2.5 / top, 0.98, 3.1 / top), pick(rng, _AWNINGS))
    else:
        canvas.shape(face.patches(columns, 0.03, 0.9 / top, 0.97, 2.3 / top, 0.4), GLASS)
    door = rng.uniform(0.1, 0.8)
    canvas.shape(face.patch(door, 0, door + 1.2 / (lot.far - lot.near), 2.3 / top), pick(rng, _DOORS))
