"""Cars, trucks, buses, trams, bicycles and motorcycles: their walls, windows, wheels and lamps, at any heading."""

from __future__ import annotations

import numpy as np

from qat.data.streets import ids
from qat.data.streets.canvas import (
    BLACK,
    CHROME,
    GLASS,
    TYRE,
    WHITE,
    Canvas,
    Colour,
    Floats,
    Palette,
    pick,
    shade,
    upright,
)
from qat.data.streets.pavement import paint_rider
from qat.data.streets.solid import Face, Frame, paint_prism, ring, visible_faces

_TAIL_LAMP: Colour = (214, 30, 30)
_HEAD_LAMP: Colour = (255, 248, 214)


def _wheels(canvas: Canvas, face: Face, length: float, places: tuple[float, ...], radius: float, label: int) -> None:
    """Paint wheels at these shares of a side wall's length; radius in metres."""
    base = face.corners[0] * [1, 0, 1]
    run = (face.corners[1] - face.corners[0]) / length
    angles = np.arange(16) * np.pi / 8
    turn = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    for size, colour, kind in ((radius, TYRE, label), (radius * 0.55, (150, 152, 156), None)):
        for place in places:
            along = place * length + size * turn[:, :1]
            points: Floats = base + along * run
            points[:, 1] = radius + size * turn[:, 1]
            canvas.shape(points, colour, kind)


def _lamps(canvas: Canvas, face: Face, low: float, high: float, width: float = 0.16) -> None:
    """Paint the two lamps of a front or rear wall; heights and width in shares of it."""
    colour = _TAIL_LAMP if face.name == "rear" else _HEAD_LAMP
    for left in (0.04, 0.96 - width):
        canvas.shape(face.patch(left, low, left + width, high), colour)


_CARS: Palette = (
    (176, 34, 38), (38, 66, 128), (206, 208, 212),
    (52, 54, 60), (232, 232, 228), (104, 128, 150), (44, 92, 76), (146, 114, 70)
)  # fmt: skip


def paint_car(canvas: Canvas, rng: np.random.Generator, frame: Frame) -> None:
    """Paint a car 4.2 m long: body, cabin with windows, wheels, lamps, plate."""
    colour, length, width = pick(rng, _CARS), 4.2, 1.8
    tail = rng.uniform(0.0, 0.55)
    low, belt = ring(length, width, 0.2), ring(length, width, 0.9)
    for side in visible_faces(canvas, frame, ring(length, width, 0), ring(length, width, 0.2)):
        canvas.shape(side.patch(0.03, 0.25, 0.97, 1), BLACK, ids.CAR)
    faces = paint_prism(canvas, frame, low, belt, colour, ids.CAR)
    for face in faces:
        if face.name in ("left", "right"):
            _wheels(canvas, face, length, (0.2, 0.8), 0.34, ids.CAR)
            canvas.shape(face.patch(0.02, 0.45, 0.98, 0.5), shade(colour, 0.75))
        else:
            _lamps(canvas, face, 0.55, 0.88, 0.2)
            canvas.shape(face.patch(0.0, 0.0, 1.0, 0.26), (48, 48, 52))
            canvas.shape(face.patch(0.36, 0.34, 0.64, 0.54), WHITE if face.name == "rear" else BLACK)
    _car_cabin(canvas, frame, colour, length, width, tail)


def _car_cabin(canvas: Canvas, frame: Frame, colour: Colour, length: float, width: float, tail: float) -> None:
    low = ring(length - 1.0 - tail, width - 0.08, 0.88, -0.45 + tail / 2)
    high = ring(length - 2.0 - tail, width - 0.42, 1.48, -0.4 + tail / 2)
    for face in paint_prism(canvas, frame, low, high, shade(colour, 0.95), ids.CAR):
        if face.name in ("left", "right"):
            canvas.shape(face.patches(2, 0.06, 0.1, 0.94, 0.84, 0.9), GLASS)
        else:
            canvas.shape(face.patch(0.08, 0.1, 0.92, 0.86), shade(GLASS, 1.1))
            canvas.shape(face.at([(0.14, 0.14), (0.34, 0.14), (0.52, 0.82), (0.36, 0.82)]), shade(GLASS, 1.5))


_TRUCK_BOXES: Palette = ((224, 220, 208), (208, 196, 168), (186, 190, 186))
_TRUCK_CABS: Palette = ((196, 60, 30), (40, 110, 60), (44, 74, 150), (120, 40, 48))


def paint_truck(canvas: Canvas, rng: np.random.Generator, frame: Frame) -> None:
    """Paint a truck 7.5 m long: a pale ribbed box behind a coloured cab, open wheels."""
    box, cab, width, top = pick(rng, _TRUCK_BOXES, 8), pick(rng, _TRUCK_CABS), 2.5, rng.uniform(3.2, 3.6)

    def paint_cab() -> None:
        for face in paint_prism(canvas, frame, ring(1.8, 2.3, 0.4, 2.85), ring(1.6, 2.2, 2.7, 2.8), cab, ids.TRUCK):
            if face.name == "front":
                canvas.shape(face.patch(0.06, 0.5, 0.94, 0.86), GLASS)
                canvas.shape(face.patch(0.2, 0.2, 0.8, 0.4), BLACK)
                _lamps(canvas, face, 0.06, 0.18)
            elif face.name != "rear":
                canvas.shape(face.patch(0.2, 0.5, 0.85, 0.86), GLASS)

    def paint_box() -> None:
        chassis = ring(5.4, 2.2, 0.35, -0.9), ring(5.4, 2.2, 0.85, -0.9)
        for face in paint_prism(canvas, frame, *chassis, (44, 44, 48), ids.TRUCK):
            if face.name in ("left", "right"):
                _wheels(canvas, face, 5.4, (0.15, 0.36, 0.95), 0.48, ids.TRUCK)
            else:
                _lamps(canvas, face, 0.3, 0.8, 0.14)
                for left in (0.0, 0.82):
                    canvas.shape(
                        face.at([(left, -0.7), (left + 0.18, -0.7), (left + 0.18, 0.1), (left, 0.1)]), TYRE, ids.TRUCK
                    )
        for face in paint_prism(
            canvas, frame, ring(5.6, width, 0.85, -0.9), ring(5.6, width, top, -0.9), box, ids.TRUCK
        ):
            _truck_wall(canvas, face, box, cab)

    away = np.cos(frame.heading) > -0.2
    for paint in (paint_cab, paint_box) if away else (paint_box, paint_cab):
        paint()


def _truck_wall(canvas: Canvas, face: Face, box: Colour, cab: Colour) -> None:
    if face.name in ("left", "right"):
        canvas.shape(face.patches(9, 0.02, 0.03, 0.98, 0.97, 0.12), shade(box, 0.74))
        canvas.shape(face.patch(0.2, 0.4, 0.8, 0.62), cab)
        return
    canvas.shape(face.patch(0.48, 0.03, 0.52, 0.95), shade(box, 0.55))
    canvas.shape(face.patches(2, 0.15, 0.1, 0.85, 0.9, 0.06), shade(box, 0.5))
    canvas.shape(face.patch(0.0, 0.0, 1.0, 0.07), (200, 60, 40))


_BUSES: Palette = ((236, 178, 28), (202, 38, 38), (240, 150, 40))


def paint_bus(canvas: Canvas, rng: np.random.Generator, frame: Frame) -> None:
    """Paint a bus 10.5 m long: one colour, a long dark window band, a pale rounded roof."""
    colour, length, width = pick(rng, _BUSES, 10), 10.5, 2.5
    body = paint_prism(canvas, frame, ring(length, width, 0.3), ring(length, width, 2.75), colour, ids.BUS)
    paint_prism(
        canvas, frame, ring(length, width, 2.75), ring(length - 0.4, width - 0.5, 3.1), (226, 224, 216), ids.BUS
    )
    for face in body:
        canvas.shape(face.patch(0, 0, 1, 0.1), (52, 50, 52))
        if face.name in ("left", "right"):
            canvas.shape(face.patch(0.01, 0.48, 0.99, 0.9), (34, 40, 48))
            canvas.shape(face.patches(7, 0.02, 0.5, 0.98, 0.88, 0.9), (74, 94, 110))
            canvas.shape(face.patches(2, 0.12, 0.06, 0.98, 0.86, 0.22), (66, 82, 96))
            _wheels(canvas, face, length, (0.2, 0.78), 0.5, ids.BUS)
        else:
            canvas.shape(face.patch(0.05, 0.42, 0.95, 0.84), (50, 64, 80))
            canvas.shape(face.patch(0.2, 0.87, 0.8, 0.98), (255, 176, 40) if face.name == "front" else BLACK)
            _lamps(canvas, face, 0.14, 0.28, 0.14)
            canvas.shape(face.patch(0.36, 0.13, 0.64, 0.22), WHITE)


_TRAM_STRIPES: Palette = ((0, 132, 122), (30, 90, 190), (122, 40, 140))
_TRAM_BODIES: Palette = ((236, 236, 226), (222, 228, 234), (240, 230, 206))


def paint_train(canvas: Canvas, rng: np.random.Generator, frame: Frame, cars: int = 2) -> None:
    """Paint a tram of `cars` cars, 9 m each, the farthest first."""
    body, stripe = pick(rng, _TRAM_BODIES, 8), pick(rng, _TRAM_STRIPES, 12)
    order = np.argsort([-_tram_centre(frame, index, cars).z for index in range(cars)])
    for index in order:
        _tram_car(canvas, _tram_centre(frame, int(index), cars), body, stripe)
    _pantograph(canvas, frame)


def _tram_centre(frame: Frame, index: int, cars: int) -> Frame:
    x, _, z = frame.place(((index - (cars - 1) / 2) * 9.3, 0.0, 0.0))
    return Frame(float(x), float(z), frame.heading)


def _tram_car(canvas: Canvas, frame: Frame, body: Colour, stripe: Colour) -> None:
    walls = paint_prism(canvas, frame, ring(9, 2.6, 0.12), ring(9, 2.6, 3.1), body, ids.TRAIN)
    paint_prism(canvas, frame, ring(8.8, 2.4, 3.1), ring(8.2, 1.8, 3.5), (122, 126, 132), ids.TRAIN)
    for face in walls:
        canvas.shape(face.patch(0, 0, 1, 0.11), (58, 58, 64))
        canvas.shape(face.patch(0, 0.13, 1, 0.3), stripe)
        canvas.shape(face.patch(0, 0.9, 1, 0.96), stripe)
        if face.name in ("left", "right"):
            _tram_side(canvas, face)
        else:
            _tram_end(canvas, face, stripe)


def _tram_side(canvas: Canvas, face: Face) -> None:
    canvas.shape(face.patches(6, 0.02, 0.46, 0.98, 0.84, 0.8), (40, 48, 60))
    canvas.shape(face.patches(2, 0.1, 0.12, 0.9, 0.84, 0.2), (86, 98, 110))


def _tram_end(canvas: Canvas, face: Face, stripe: Colour) -> None:
    canvas.shape(face.at([(0.1, 0.42), (0.9, 0.42), (0.82, 0.84), (0.18, 0.84)]), (30, 36, 46))
    canvas.shape(face.patch(0.3, 0.86, 0.7, 0.95), (255, 190, 60))
    lamp = (255, 250, 220) if face.name == "front" else (220, 30, 30)
    for left in (0.1, 0.78):
        canvas.shape(face.patch(left, 0.32, left + 0.12, 0.38), lamp)


def _pantograph(canvas: Canvas, frame: Frame) -> None:
    x, _, z = frame.place((0.0, 0.0, 0.0))
    for near, far in ((-0.7, 0.45), (0.7, -0.45)):
        rod = [(x + near, 3.45, z), (x + near + 0.14, 3.45, z), (x + far + 0.14, 4.2, z), (x + far, 4.2, z)]
        canvas.shape(rod, BLACK, ids.TRAIN)
    bar = [(x - 0.9, 4.2, z), (x + 0.9, 4.2, z), (x + 0.9, 4.34, z), (x - 0.9, 4.34, z)]
    canvas.shape(bar, BLACK, ids.TRAIN)


_BICYCLES: Palette = ((206, 44, 44), (38, 122, 190), (56, 158, 84), (236, 236, 230), (232, 150, 40))
_TANKS: Palette = ((196, 30, 34), (30, 60, 150), (232, 110, 20), (36, 110, 60), (120, 30, 110))


def _spoked_wheel(
    canvas: Canvas, x: float, z: float, radius: float, squeeze: float, inside: Colour, label: int
) -> None:
    canvas.disc((x, radius, z), radius, TYRE, label, squeeze)
    canvas.disc((x, radius, z), radius * 0.78, inside, None, squeeze)
    canvas.disc((x, radius, z), radius * 0.18, TYRE, None, squeeze)


def paint_bicycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, ridden: bool) -> None:
    """Paint a bicycle seen from the side or at an angle; `ridden` puts a rider on it."""
    way = 1.0 if rng.random() < 0.5 else -1.0
    stretch = rng.uniform(0.75, 1.0)
    radius, half, frame = 0.38, 0.58 * stretch, pick(rng, _BICYCLES)

    def put(outline: list[tuple[float, float]], colour: Colour) -> None:
        canvas.shape(upright(x, z, outline, way * stretch), colour, ids.BICYCLE)

    put([(-0.5, 0.36), (-0.1, 0.3), (0.45, 0.42), (0.42, 0.84), (-0.22, 0.84)], (128, 134, 134))
    for centre in (-half * way, half * way):
        _spoked_wheel(canvas, x + centre, z, radius, stretch, (158, 162, 160), ids.BICYCLE)
    put([(-0.62, 0.4), (-0.05, 0.28), (0.0, 0.36), (-0.5, 0.46)], frame)
    put([(-0.05, 0.26), (0.05, 0.26), (0.46, 0.8), (0.4, 0.88)], frame)
    put([(-0.26, 0.94), (-0.16, 0.94), (0.06, 0.28), (-0.06, 0.28)], frame)
    put([(-0.24, 0.78), (0.42, 0.8), (0.42, 0.9), (-0.24, 0.88)], frame)
    put([(0.36, 1.02), (0.46, 1.02), (0.64, 0.4), (0.54, 0.4)], frame)
    put([(0.28, 1.0), (0.52, 1.0), (0.52, 1.08), (0.28, 1.08)], TYRE)
    put([(-0.36, 0.94), (-0.06, 0.94), (-0.08, 1.02), (-0.36, 1.03)], TYRE)
    if ridden:
        paint_rider(canvas, rng, x - 0.18 * way * stretch, z, 0.98, 0.45 * way * stretch)


def paint_motorcycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, ridden: bool) -> None:
    """Paint a motorcycle seen from the side or at an angle; `ridden` puts a rider on it."""
    way = 1.0 if rng.random() < 0.5 else -1.0
    stretch = rng.uniform(0.75, 1.0)
    radius, half, tank = 0.37, 0.78 * stretch, pick(rng, _TANKS)

    def put(outline: list[tuple[float, float]], colour: Colour) -> None:
        canvas.shape(upright(x, z, np.asarray(outline), way * stretch), colour, ids.MOTORCYCLE)

    for centre in (-half * way, half * way):
        _spoked_wheel(canvas, x + centre, z, radius, stretch, (84, 86, 90), ids.MOTORCYCLE)
    put([(-0.6, 0.22), (0.5, 0.22), (0.6, 0.62), (-0.7, 0.62)], (66, 66, 70))
    put([(-0.25, 0.26), (0.3, 0.26), (0.34, 0.55), (-0.25, 0.55)], CHROME)
    put([(-0.95, 0.3), (-0.1, 0.24), (-0.1, 0.34), (-0.95, 0.42)], CHROME)
    put([(-0.98, 0.8), (-0.3, 0.56), (0.55, 0.5), (0.66, 0.9), (0.1, 1.02), (-0.15, 0.86)], tank)
    put([(-0.98, 0.8), (-0.15, 0.84), (-0.1, 0.96), (-0.9, 0.95)], TYRE)
    put([(0.52, 1.16), (0.64, 1.16), (0.86, 0.38), (0.72, 0.38)], CHROME)
    put([(0.5, 0.66), (0.92, 0.72), (0.8, 1.05), (0.62, 1.3), (0.5, 1.0)], shade(tank, 1.15))
    put([(0.82, 0.8), (0.94, 0.82), (0.9, 0.98), (0.8, 0.98)], (255, 244, 190))
    put([(0.56, 0.72), (1.08, 0.7), (1.08, 0.78), (0.56, 0.8)], tank)
    if ridden:
        paint_rider(canvas, rng, x - 0.25 * way * stretch, z, 0.92, 0.5 * way * stretch)
