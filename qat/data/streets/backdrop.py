"""What is far: the sky with clouds, and the skyline at the end of the street."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas
from qat.data.streets.colours import Colour, Palette, pick

_FACADES: Palette = ((150, 140, 132), (168, 150, 134), (134, 138, 148), (176, 160, 140))
_LEAVES: Palette = ((62, 96, 54), (74, 104, 58), (56, 88, 60))


def cloud_noise(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """(height, width) smooth noise around 0.5, wider than high."""
    total: NDArray[np.float32] = np.zeros((height, width), dtype=np.float32)
    for octave in (4, 8, 14):
        grid = rng.random((octave * 3, octave), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * (1.6 / octave)
    total /= np.float32(1.6 / 4 + 1.6 / 8 + 1.6 / 14)
    return total


def paint_sky(canvas: Canvas, rng: np.random.Generator, zenith: Colour, cloud: Colour, cover: float) -> None:
    """Fill the picture with sky: `zenith` at the top, haze at the horizon, `cover` (0..1) of it cloud."""
    camera = canvas.camera
    height = camera.height
    rows = min(height, max(1, round(camera.horizon) + 2))
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    sky = np.asarray(zenith, np.float32) * (1 - down) + np.asarray(canvas.haze, np.float32) * down
    share = np.clip((cloud_noise(rng, camera.width, rows) - 0.62 + 0.24 * cover) * 5, 0, 0.8)[..., None]
    share = share * (1 - 0.7 * down**2)
    sky = sky * (1 - share) + np.asarray(cloud, np.float32) * share
    canvas.image[:rows] = np.clip(sky, 0, 255).astype(np.uint8)
    canvas.label[:] = ids.SKY


def paint_skyline(canvas: Canvas, rng: np.random.Generator, depth: float = 85.0) -> None:
    """Paint the houses and trees that close the street, `depth` metres away."""
    x, end = -90.0, 90.0
    while x < end:
        width = rng.uniform(7, 18)
        if rng.random() < 0.55:
            _house(canvas, rng, x, width, depth)
        else:
            _grove(canvas, rng, x, width, depth)
        x += width


def _house(canvas: Canvas, rng: np.random.Generator, x: float, width: float, depth: float) -> None:
    top, ridge = rng.uniform(6, 15), rng.uniform(0, 4)
    outline = [(x, 0, depth), (x, top, depth), (x + width / 2, top + ridge, depth)]
    outline += [(x + width, top, depth), (x + width, 0, depth)]
    canvas.shape(outline, pick(rng, _FACADES), ids.BUILDING)


def _grove(canvas: Canvas, rng: np.random.Generator, x: float, width: float, depth: float) -> None:
    canvas.shape(
        [(x, 0, depth), (x, 4, depth), (x + width, 4, depth), (x + width, 0, depth)], _LEAVES[0], ids.VEGETATION
    )
    for step in range(4):
        centre = (x + width * (step + 0.5) / 4, rng.uniform(3.5, 6.5), depth)
        canvas.disc(centre, rng.uniform(2.2, 3.8), pick(rng, _LEAVES), ids.VEGETATION)
