"""Sky, skyline and weather: clouds, light, haze, texture, noise and blur of a day."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas, Colour, Palette, Pixels, pick

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


@dataclass(frozen=True)
class Weather:
    """Colours of the sky, how far one sees (m), the light's colour and strength, and the sensor's noise and blur."""

    zenith: Colour
    cloud: Colour
    cover: float
    haze: Colour
    visibility: float
    light: Colour
    shadow: float
    sun: float
    noise: float
    blur: float


_DAYS: tuple[tuple[Colour, Colour, Colour, Colour, float, float], ...] = (
    # zenith, cloud, haze, light, shadow, cover
    ((84, 140, 214), (244, 246, 250), (206, 220, 234), (1.04, 1.02, 0.98), 0.55, 0.35),  # day
    ((162, 172, 184), (206, 210, 214), (204, 208, 212), (0.90, 0.93, 0.97), 0.30, 0.80),  # overcast
    ((96, 104, 158), (246, 188, 148), (244, 206, 164), (1.02, 0.90, 0.80), 0.45, 0.50),  # dusk
    ((110, 168, 230), (252, 250, 246), (220, 226, 226), (1.12, 1.08, 1.00), 0.60, 0.15),  # noon
)


def choose_weather(rng: np.random.Generator) -> Weather:
    """One of four kinds of day, varied."""
    zenith, cloud, haze, light, shadow, cover = _DAYS[int(rng.integers(len(_DAYS)))]
    bright = rng.uniform(0.86, 1.1)
    return Weather(
        zenith=pick(rng, (zenith,), 12),
        cloud=pick(rng, (cloud,), 6),
        cover=float(np.clip(cover + rng.uniform(-0.2, 0.2), 0, 1)),
        haze=pick(rng, (haze,), 8),
        visibility=rng.uniform(110, 260),
        light=(light[0] * bright, light[1] * bright, light[2] * bright),
        shadow=shadow,
        sun=1.0 if rng.random() < 0.5 else -1.0,
        noise=rng.uniform(1.0, 3.5),
        blur=rng.uniform(0.0, 0.7),
    )


def _amplitudes(fine: bool) -> NDArray[np.float32]:
    table = np.full(256, 0.02 if fine else 0.025, dtype=np.float32)
    table[[ids.VEGETATION, ids.TERRAIN]] = (0.17, 0.10) if fine else (0.12, 0.07)
    table[[ids.ROAD, ids.SIDEWALK]] = (0.035, 0.035) if fine else (0.05, 0.035)
    table[[ids.BUILDING, ids.WALL]] = (0.03, 0.07) if fine else (0.05, 0.05)
    table[[ids.SKY, ids.EGO]] = 0.0
    return table


_FINE, _COARSE = _amplitudes(True), _amplitudes(False)


def finish(image: Pixels, label: Pixels, weather: Weather, rng: np.random.Generator) -> Pixels:
    """Add each class's texture, the light, the lens and the sensor to a painted picture."""
    height, width = label.shape
    grain = rng.standard_normal((height, width), dtype=np.float32)
    fine = cv2.GaussianBlur(grain, (3, 3), 0.6) * 1.6
    small = rng.standard_normal((max(2, height // 8), max(2, width // 8)), dtype=np.float32)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    factor = 1 + fine * _FINE[label] + coarse * _COARSE[label]
    lit = image * (factor[..., None] * np.asarray(weather.light, dtype=np.float32))
    if weather.blur > 0.25:
        lit = cv2.GaussianBlur(lit, (3, 3), weather.blur)
    lit += np.roll(grain, (height // 3, width // 3), (0, 1))[..., None] * np.float32(weather.noise)
    picture: Pixels = np.clip(lit, 0, 255).astype(np.uint8)
    return picture
