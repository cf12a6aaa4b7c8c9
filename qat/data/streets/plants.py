"""Trees and bushes: a trunk and a crown of overlapping discs, darker below."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas, rectangle, upright
from qat.data.streets.colours import Palette, pick, shade

_LEAVES: Palette = ((58, 104, 42), (74, 116, 48), (46, 88, 48), (92, 118, 44), (112, 116, 46))
_TRUNK: Palette = ((84, 64, 48), (98, 80, 62))


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
