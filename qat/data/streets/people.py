"""People on foot, and the upper half that sits on a two-wheeler."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import SKIN, Canvas, Colour, Palette, pick, rectangle, shade, upright

_COATS: Palette = (
    (184, 44, 48),
    (44, 82, 160),
    (226, 190, 62),
    (60, 128, 92),
    (210, 206, 198),
    (96, 60, 116),
    (54, 56, 62),
)
_TROUSERS: Palette = ((42, 48, 72), (38, 38, 42), (92, 84, 74), (58, 70, 104))
_HAIR: Palette = ((44, 32, 26), (120, 84, 48), (170, 150, 116), (28, 26, 26))
_HELMETS: Palette = ((236, 236, 232), (206, 46, 40), (240, 150, 30), (40, 90, 190))
_BAND: Colour = (236, 240, 226)
_VESTS: Palette = ((250, 134, 26), (196, 236, 44), (250, 92, 84), (58, 214, 216))


def paint_person(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint someone standing or walking, 1.55 to 1.9 m tall."""
    tall = rng.uniform(1.55, 1.9) / 1.75
    stride, coat, trousers = rng.uniform(0.02, 0.3), pick(rng, _COATS), pick(rng, _TROUSERS)
    wide = rng.uniform(1.15, 1.4)

    def put(outline: list[tuple[float, float]], colour: Colour) -> None:
        canvas.shape(upright(x, z, np.asarray(outline) * tall, wide), colour, ids.PERSON)

    for foot, light in ((-stride, 1.0), (stride, 0.8)):
        put([(-0.13, 0.85), (0.13, 0.85), (foot + 0.1, 0.0), (foot - 0.1, 0.0)], shade(trousers, light))
        put(rectangle(foot - 0.11, 0.0, foot + 0.14, 0.08), (30, 26, 24))
    long = 0.55 if rng.random() < 0.3 else 0.78
    put([(-0.21, long), (0.21, long), (0.23, 1.42), (0.1, 1.5), (-0.1, 1.5), (-0.23, 1.42)], coat)
    swing = stride * 0.5
    put([(-0.24, 1.42), (-0.14, 1.42), (-0.2 - swing, 0.82), (-0.3 - swing, 0.82)], shade(coat, 0.8))
    put([(0.24, 1.42), (0.14, 1.42), (0.2 + swing, 0.82), (0.3 + swing, 0.82)], shade(coat, 0.7))
    if rng.random() < 0.3:
        put(rectangle(0.22 + swing, 0.55, 0.46 + swing, 0.85), pick(rng, _COATS))
    _head(canvas, rng, x, z, 1.62 * tall, ids.PERSON)


def _head(canvas: Canvas, rng: np.random.Generator, x: float, z: float, y: float, label: int) -> None:
    canvas.disc((x, y, z), 0.17, pick(rng, _HAIR), label)
    canvas.disc((x + 0.02, y - 0.05, z), 0.125, pick(rng, SKIN, 6))


def paint_rider(canvas: Canvas, rng: np.random.Generator, x: float, z: float, seat: float, ahead: float) -> None:
    """Paint a rider in a bright vest and helmet: at (x, z), seated `seat` m high, hands `ahead` m to the right."""
    vest, trousers = pick(rng, _VESTS, 10), pick(rng, _TROUSERS)

    def put(outline: list[tuple[float, float]], colour: Colour) -> None:
        canvas.shape(upright(x, z, outline), colour, ids.RIDER)

    lean, hip, shoulder = ahead * 0.5, seat + 0.08, seat + 0.72
    knee = (ahead * 0.75, seat - 0.08)
    put(
        [
            (-0.17, hip + 0.1),
            (-0.17, hip - 0.12),
            (knee[0] - 0.1, knee[1] - 0.1),
            (knee[0] + 0.13, knee[1] + 0.1),
            (0.17, hip + 0.12),
        ],
        trousers,
    )
    put(
        [(knee[0] - 0.12, knee[1]), (knee[0] + 0.12, knee[1]), (ahead * 0.4 + 0.1, 0.28), (ahead * 0.4 - 0.12, 0.28)],
        shade(trousers, 0.8),
    )
    put([(-0.24, hip - 0.04), (0.24, hip - 0.04), (lean + 0.27, shoulder), (lean - 0.27, shoulder)], vest)
    canvas.shape(upright(x, z, [(-0.22, hip + 0.2), (0.22, hip + 0.2), (0.23, hip + 0.3), (-0.23, hip + 0.3)]), _BAND)
    hand = (ahead * 1.25, seat + 0.28)
    put(
        [
            (lean - 0.1, shoulder),
            (lean + 0.1, shoulder - 0.14),
            (hand[0] + 0.08, hand[1] - 0.06),
            (hand[0], hand[1] + 0.1),
        ],
        shade(vest, 0.78),
    )
    canvas.disc((x + lean * 1.15, shoulder + 0.17, z), 0.19, pick(rng, _HELMETS, 8), ids.RIDER)
    canvas.disc((x + lean * 1.15 + np.sign(ahead) * 0.06, shoulder + 0.1, z), 0.1, pick(rng, SKIN, 6))
