"""People, lamp posts, traffic lights, signs and bins; riders too, who sit on a two-wheeler."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import BLACK, SKIN, WHITE, Canvas, Colour, Floats, Palette, pick, rectangle, shade, upright

_POSTS: Palette = ((112, 116, 120), (140, 142, 142), (78, 84, 88), (92, 104, 98))
_RED: Colour = (204, 34, 36)
_BLUE: Colour = (28, 78, 178)
_YELLOW: Colour = (244, 196, 30)
_LAMPS: tuple[Colour, Colour, Colour] = ((255, 58, 40), (255, 190, 40), (60, 240, 130))
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


def _post(canvas: Canvas, rng: np.random.Generator, x: float, z: float, top: float, radius: float) -> Colour:
    colour = pick(rng, _POSTS, 8)
    canvas.shape(upright(x, z, rectangle(-radius, 0, radius, top)), colour, ids.POLE)
    canvas.shape(upright(x, z, rectangle(radius * 0.2, 0, radius, top)), shade(colour, 0.72))
    canvas.shape(upright(x, z, rectangle(-radius * 1.6, 0, radius * 1.6, 0.5)), shade(colour, 0.85), ids.POLE)
    return colour


def paint_lamp_post(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a thick lamp post whose arm reaches over the road."""
    top, towards = rng.uniform(4.5, 7.0), -1.0 if x > 0 else 1.0
    colour = _post(canvas, rng, x, z, top, rng.uniform(0.13, 0.2))
    reach = rng.uniform(0.9, 1.8) * towards
    arm = upright(x, z, [(0, top - 0.35), (0, top), (reach, top + 0.35), (reach, top + 0.1)])
    canvas.shape(arm, colour, ids.POLE)
    lamp = upright(x + reach, z, [(-0.45, top + 0.05), (0.45, top + 0.05), (0.3, top + 0.4), (-0.3, top + 0.4)])
    canvas.shape(lamp, shade(colour, 0.7), ids.POLE)
    canvas.shape(upright(x + reach, z, rectangle(-0.35, top - 0.03, 0.35, top + 0.1)), (252, 244, 206), ids.POLE)


def paint_traffic_light(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a traffic light on its post: a dark box with a pale rim, one of three lamps on."""
    top = rng.uniform(2.8, 3.6)
    _post(canvas, rng, x, z, top, rng.uniform(0.11, 0.16))
    half, high = 0.36, 1.5
    canvas.shape(upright(x, z, rectangle(-half, top - 0.5, half, top - 0.5 + high)), (216, 210, 150), ids.LIGHT)
    canvas.shape(upright(x, z, rectangle(-half + 0.06, top - 0.44, half - 0.06, top - 0.56 + high)), BLACK)
    lit = int(rng.integers(3))
    for index, colour in enumerate(_LAMPS):
        centre = (x, top + high - 0.8 - 0.46 * index, z)
        canvas.disc(centre, 0.21, colour if index == lit else shade(colour, 0.28))


def paint_sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a sign on its post: round, triangular, square or a diamond, sometimes two."""
    top = rng.uniform(2.2, 3.0)
    _post(canvas, rng, x, z, top, rng.uniform(0.09, 0.14))
    size = rng.uniform(0.48, 0.62)
    _plate(canvas, rng, x, top, z, size)
    if rng.random() < 0.3:
        _plate(canvas, rng, x, top - 1.9 * size, z, size * 0.8)


def _plate(canvas: Canvas, rng: np.random.Generator, x: float, y: float, z: float, size: float) -> None:
    kind = int(rng.integers(5))
    if kind == 0:
        _layers(canvas, x, y, z, _ring_points(16), size, _RED, WHITE, 0.7)
        canvas.shape(upright(x, z, rectangle(-0.3 * size, y - 0.25 * size, 0.3 * size, y + 0.25 * size)), BLACK)
    elif kind == 1:
        _layers(canvas, x, y, z, [(-1.1, -0.8), (1.1, -0.8), (0, 1.1)], size, _RED, WHITE, 0.62)
    elif kind == 2:
        _layers(canvas, x, y, z, [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)], size, WHITE, _BLUE, 0.88)
        canvas.shape(upright(x, z, rectangle(-0.2 * size, y - 0.5 * size, 0.2 * size, y + 0.5 * size)), WHITE)
    elif kind == 3:
        _layers(canvas, x, y, z, [(-1.1, 0), (0, -1.1), (1.1, 0), (0, 1.1)], size, WHITE, _YELLOW, 0.78)
    else:
        _layers(canvas, x, y, z, _ring_points(16), size, WHITE, _BLUE, 0.9)
        canvas.shape(upright(x, z, [(-0.5 * size, y), (0, y + 0.6 * size), (0.5 * size, y)]), WHITE)


def _ring_points(count: int) -> list[tuple[float, float]]:
    angles = np.arange(count) * 2 * np.pi / count
    return [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]


def _layers(
    canvas: Canvas, x: float, y: float, z: float, outline: list[tuple[float, float]], size: float,
    rim: Colour, inside: Colour, share: float,
) -> None:  # fmt: skip
    points = np.asarray(outline) * size
    canvas.shape(upright(x, z, np.add(points, (0, y))), rim, ids.SIGN)
    canvas.shape(upright(x, z, np.add(points * share, (0, y))), inside)


def paint_bin(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a litter bin: static, not evaluated."""
    colour = pick(rng, ((60, 80, 70), (90, 92, 96), (176, 92, 40)))
    canvas.shape(upright(x, z, [(-0.25, 0), (0.25, 0), (0.3, 0.9), (-0.3, 0.9)]), colour, ids.STATIC)
    canvas.shape(upright(x, z, rectangle(-0.33, 0.85, 0.33, 1.0)), shade(colour, 0.6), ids.STATIC)


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
    canvas.people[canvas.number] = canvas.camera.project(_person_points(x, z, tall, stride, wide))
    swing = stride * 0.5
    put([(-0.24, 1.42), (-0.14, 1.42), (-0.2 - swing, 0.82), (-0.3 - swing, 0.82)], shade(coat, 0.8))
    put([(0.24, 1.42), (0.14, 1.42), (0.2 + swing, 0.82), (0.3 + swing, 0.82)], shade(coat, 0.7))
    if rng.random() < 0.3:
        put(rectangle(0.22 + swing, 0.55, 0.46 + swing, 0.85), pick(rng, _COATS))
    _head(canvas, rng, x, z, 1.62 * tall, ids.PERSON)


POINTS = ("head", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_foot", "right_foot")
"""Of a person, left and right as the picture shows them: nobody here has a face."""


def _person_points(x: float, z: float, tall: float, stride: float, wide: float) -> Floats:
    """(points, 3) metres of what `paint_person` paints; the head is as wide at any stature."""
    body = [(-0.19, 1.41), (0.19, 1.41), (-0.11, 0.85), (0.11, 0.85), (-stride, 0.05), (stride, 0.05)]
    head = np.array([[x, 1.62 * tall - 0.02, z]])
    return np.concatenate([head, upright(x, z, np.multiply(body, tall), wide)])


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
