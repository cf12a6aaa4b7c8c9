"""The sides of the street: houses, trees and bushes, and the walls, fences and hedges before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import GLASS, WHITE, Canvas, Colour, Palette, mix, pick, rectangle, shade, upright
from qat.data.streets.ground import Street
from qat.data.streets.solid import Face

_RENDER: Palette = (
    (206, 186, 152), (190, 148, 116), (172, 108, 88), (214, 204, 186), (152, 146, 146), (196, 172, 122),
    (178, 182, 192), (206, 156, 130), (148, 122, 108), (226, 214, 176), (142, 92, 78),
)  # fmt: skip
_ROOFS: Palette = ((122, 66, 54), (84, 82, 88), (104, 78, 66), (142, 84, 62))
_DOORS: Palette = ((92, 54, 40), (44, 72, 60), (52, 58, 92), (70, 66, 64), (122, 44, 42))
_AWNINGS: Palette = ((160, 52, 46), (46, 92, 72), (52, 76, 126), (196, 160, 82))
_STOREY = 3.1  # metres
_LEAVES: Palette = ((58, 104, 42), (74, 116, 48), (46, 88, 48), (92, 118, 44), (112, 116, 46))
_TRUNK: Palette = ((84, 64, 48), (98, 80, 62))


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
    _wall_end(canvas, lot, top + 0.12, shade(colour, 0.8))


def _wall_end(canvas: Canvas, lot: Lot, top: float, colour: tuple[float, float, float]) -> None:
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


_SKYLINE = 82.0  # metres: where the skyline stands


def paint_sides(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    """Paint both sides, the farthest first: houses and parks, then what separates them from the pavement."""
    for side, edge in ((-1.0, street.edges[0]), (1.0, street.edges[5])):
        garden = rng.uniform(1.5, 4.5)
        _houses(canvas, rng, street, edge + side * garden)
        _gardens(canvas, rng, street, edge, garden * side)
        _screens(canvas, rng, street, edge)


def _cuts(rng: np.random.Generator, street: Street, shortest: float, longest: float) -> list[tuple[float, float]]:
    """Pieces (near, far) of the street's length without the junction, the farthest first."""
    pieces, z = [], 3.0
    while z < _SKYLINE:
        far = min(z + rng.uniform(shortest, longest), _SKYLINE)
        if street.junction is None or far < street.junction[0] or z > street.junction[1]:
            pieces.append((z, far))
        elif z < street.junction[0] - 2:
            far = street.junction[0]
            pieces.append((z, far))
        else:
            far = street.junction[1]
        z = far + 0.01
    return pieces[::-1]


def _houses(canvas: Canvas, rng: np.random.Generator, street: Street, x: float) -> None:
    for near, far in _cuts(rng, street, 8, 16):
        if rng.random() < 0.76:
            paint_house(canvas, rng, Lot(x, near, far))
        else:
            for z in sorted(rng.uniform(near, far, 4), reverse=True):
                paint_tree(canvas, rng, x + np.sign(x) * rng.uniform(0, 4), float(z) + 2)


def _gardens(canvas: Canvas, rng: np.random.Generator, street: Street, edge: float, depth: float) -> None:
    for near, far in _cuts(rng, street, 6, 11):
        z = rng.uniform(near, far)
        if z > 8:
            (paint_tree if rng.random() < 0.4 else paint_bush)(canvas, rng, edge + depth * rng.uniform(0.4, 0.8), z)


def _screens(canvas: Canvas, rng: np.random.Generator, street: Street, edge: float) -> None:
    kinds = (paint_wall, paint_fence, None, paint_hedge, paint_fence, paint_wall)
    start = int(rng.integers(len(kinds)))
    for index, (near, far) in enumerate(_cuts(rng, street, 5, 9)):
        paint = kinds[(start + index) % len(kinds)]
        if paint is not None:
            paint(canvas, rng, Lot(edge, near, far))


def paint_tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a tree 4 to 8 m high at (x, z)."""
    height = rng.uniform(4.0, 8.0)
    crown = height * rng.uniform(0.26, 0.34)
    trunk = rng.uniform(0.14, 0.24)
    canvas.shape(upright(x, z, rectangle(-trunk, 0, trunk, height - crown)), pick(rng, _TRUNK), ids.VEGETATION)
    canvas.shape(upright(x, z, rectangle(trunk * 0.2, 0, trunk, height - crown)), shade(_TRUNK[0], 0.75))
    _crown(canvas, rng, x, height - crown, z, crown)


def paint_bush(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a bush about as high as a person at (x, z)."""
    size = rng.uniform(0.7, 1.3)
    _crown(canvas, rng, x, size * 0.7, z, size)


def _crown(canvas: Canvas, rng: np.random.Generator, x: float, y: float, z: float, radius: float) -> None:
    colour = pick(rng, _LEAVES, 10)
    canvas.disc((x, y, z), radius, shade(colour, 0.8), ids.VEGETATION)
    offsets = rng.uniform(-0.8, 0.8, (14 if z < 25 else 7, 2))
    lights = 0.95 + 0.3 * offsets[:, 1] + 0.15 * canvas.sun * offsets[:, 0] + rng.uniform(-0.06, 0.06, len(offsets))
    centres = np.full((len(offsets), 3), (x, y, z))
    centres[:, :2] += offsets * (radius, radius * 0.8)
    radii = radius * rng.uniform(0.25, 0.5, len(offsets))
    canvas.discs(centres, radii, [shade(colour, float(light)) for light in lights], ids.VEGETATION)
