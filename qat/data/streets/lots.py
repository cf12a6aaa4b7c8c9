"""What lines the street: which house, park, wall, fence or hedge stands where along either side."""

from __future__ import annotations

import numpy as np

from qat.data.streets.boundary import paint_fence, paint_hedge, paint_wall
from qat.data.streets.canvas import Canvas
from qat.data.streets.facades import Lot, paint_house
from qat.data.streets.ground import Street
from qat.data.streets.plants import paint_bush, paint_tree

_END = 82.0  # metres: where the skyline stands


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
    while z < _END:
        far = min(z + rng.uniform(shortest, longest), _END)
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
