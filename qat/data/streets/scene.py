"""A picture from a seed: the planned street, painted from back to front."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from qat.data.streets import ids
from qat.data.streets.backdrop import paint_sky, paint_skyline
from qat.data.streets.camera import choose_camera
from qat.data.streets.canvas import Canvas, Pixels
from qat.data.streets.colours import pick, shade
from qat.data.streets.ground import paint_ground
from qat.data.streets.plan import Item, plan_items, plan_street, with_rails
from qat.data.streets.roadside import paint_sides
from qat.data.streets.solid import paint_shadow
from qat.data.streets.weather import Weather, choose_weather, finish


def render(seed: int | Sequence[int], size: tuple[int, int] = (512, 256)) -> tuple[Pixels, Pixels]:
    """Paint a street.

    Args:
        seed: what the street is made from, an int or several; the same seed and size give the same picture.
        size: (width, height) in pixels; everything scales with it.

    Returns:
        image (height, width, 3) uint8 RGB and label (height, width) uint8 Cityscapes labelIds.
    """
    rng = np.random.default_rng(seed)
    camera, weather = choose_camera(rng, size), choose_weather(rng)
    picture, label = np.zeros((size[1], size[0], 3), np.uint8), np.zeros((size[1], size[0]), np.uint8)
    canvas = Canvas(picture, label, camera, weather.haze, weather.visibility, weather.sun)
    street = plan_street(rng)
    items, rails = plan_items(rng, street)
    street = with_rails(street, rails)
    paint_sky(canvas, rng, weather.zenith, weather.cloud, weather.cover)
    paint_ground(canvas, street)
    paint_skyline(canvas, rng)
    _paint_shadows(canvas, items, weather)
    paint_sides(canvas, rng, street)
    for item in sorted(items, key=lambda item: -item.near):
        item.paint(canvas, rng)
    _paint_bonnet(canvas, rng)
    return finish(picture, label, weather, rng), label


def _paint_shadows(canvas: Canvas, items: Sequence[Item], weather: Weather) -> None:
    mask = np.zeros(canvas.label.shape, np.uint8)
    for item in items:
        paint_shadow(mask, canvas, item.frame, item.length, item.width)
    top = canvas.camera.ground()[0]
    ground, blurred = canvas.image[top:], cv2.blur(mask[top:], (5, 3)).astype(np.float32)
    light = 1 - blurred[..., None] * np.float32(weather.shadow / 150)
    ground[:] = (ground * light).astype(np.uint8)


def _paint_bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    if rng.random() > 0.4:
        return
    width, height = canvas.camera.width, canvas.camera.height
    top, colour = height * rng.uniform(0.90, 0.95), pick(rng, ((70, 74, 82), (40, 42, 46), (120, 124, 130)))
    steps = np.linspace(-0.05, 1.05, 24)
    arch = np.stack([steps * width, top + (2 * steps - 1) ** 4 * height * 0.06], axis=-1)
    canvas.polygon([*arch, (width, height + 9), (0, height + 9)], colour, ids.EGO, 0.0)
    lower, lowest = np.add(arch[6:18], (0, height * 0.012)), np.add(arch[17:5:-1], (0, height * 0.024))
    canvas.polygon([*lower, *lowest], shade(colour, 1.5), None, 0.0)
