"""A picture from a seed: a street is planned, everything on it gets a place, and it is painted from back to front."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.streets import ids
from qat.data.streets.backdrop import Weather, choose_weather, finish, paint_sky, paint_skyline
from qat.data.streets.canvas import Canvas, Floats, Pixels, choose_camera, pick, shade
from qat.data.streets.ground import Street, paint_ground
from qat.data.streets.pavement import paint_bin, paint_lamp_post, paint_person, paint_sign, paint_traffic_light
from qat.data.streets.roadside import paint_sides, paint_tree
from qat.data.streets.solid import Frame, paint_shadow
from qat.data.streets.vehicles import paint_bicycle, paint_bus, paint_car, paint_motorcycle, paint_train, paint_truck

Paint = Callable[[Canvas, np.random.Generator], None]


@dataclass(frozen=True)
class Scene:
    """A painted street: `image` (H, W, 3) uint8 RGB, `label` (H, W) uint8 Cityscapes labelIds.

    `thing` (H, W) uint16: the number of the item that each pixel shows, from 1; 0 for what isn't an item. A rider has
    the number of the bicycle or motorcycle below. `people`: by number, the points of each person (`pavement.POINTS`),
    (points, 2) x and y in pixels, seen or not.
    """

    image: Pixels
    label: Pixels
    thing: NDArray[np.uint16]
    people: Mapping[int, Floats] = field(default_factory=dict)


def render(seed: int | Sequence[int], size: tuple[int, int] = (512, 256)) -> tuple[Pixels, Pixels]:
    """Paint a street.

    Args:
        seed: what the street is made from, an int or several; the same seed and size give the same picture.
        size: (width, height) in pixels; everything scales with it.

    Returns:
        image (height, width, 3) uint8 RGB and label (height, width) uint8 Cityscapes labelIds.
    """
    scene = paint(seed, size)
    return scene.image, scene.label


def paint(seed: int | Sequence[int], size: tuple[int, int] = (512, 256)) -> Scene:
    """As `render`, with a number at each pixel that says which thing it shows."""
    rng = np.random.default_rng(seed)
    camera, weather = choose_camera(rng, size), choose_weather(rng)
    picture, label = np.zeros((size[1], size[0], 3), np.uint8), np.zeros((size[1], size[0]), np.uint8)
    thing = np.zeros(label.shape, np.uint16)
    canvas = Canvas(picture, label, thing, camera, weather.haze, weather.visibility, weather.sun)
    street = plan_street(rng)
    items, rails = plan_items(rng, street)
    street = with_rails(street, rails)
    paint_sky(canvas, rng, weather.zenith, weather.cloud, weather.cover)
    paint_ground(canvas, street)
    paint_skyline(canvas, rng)
    _paint_shadows(canvas, items, weather)
    paint_sides(canvas, rng, street)
    for number, item in enumerate(sorted(items, key=lambda item: -item.near), 1):
        item.paint(replace(canvas, number=number), rng)
    _paint_bonnet(canvas, rng)
    return Scene(finish(picture, label, weather, rng), label, thing, canvas.people)


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


@dataclass(frozen=True)
class Item:
    """`near`: depth of its closest point, by which items are painted; `length`, `width`: of its shadow; metres."""

    near: float
    frame: Frame
    length: float
    width: float
    paint: Paint


# name: (painter, length, width) in metres
VEHICLES: dict[str, tuple[Callable[[Canvas, np.random.Generator, Frame], None], float, float]] = {
    "car": (paint_car, 4.2, 1.8),
    "truck": (paint_truck, 7.5, 2.5),
    "bus": (paint_bus, 10.5, 2.5),
    "train": (paint_train, 18.6, 2.6),
}
# name: (painter, length, width, what it adds to the painter's arguments)
STANDING: dict[str, tuple[Callable[..., None], float, float, tuple[bool, ...]]] = {
    "person": (paint_person, 0.5, 0.6, ()),
    "lamp": (paint_lamp_post, 0.4, 0.5, ()),
    "light": (paint_traffic_light, 0.4, 0.5, ()),
    "sign": (paint_sign, 0.4, 0.5, ()),
    "bin": (paint_bin, 0.5, 0.6, ()),
    "tree": (paint_tree, 1.5, 2.0, ()),
    "bicycle": (paint_bicycle, 0.6, 1.8, (False,)),
    "motorcycle": (paint_motorcycle, 0.7, 2.0, (False,)),
    "cyclist": (paint_bicycle, 0.6, 1.8, (True,)),
    "biker": (paint_motorcycle, 0.7, 2.0, (True,)),
}


def vehicle(name: str, x: float, near: float, heading: float) -> Item:
    """A vehicle whose closest end is about `near` metres away."""
    paint, length, width = VEHICLES[name]
    along = abs(np.cos(heading)) * length + abs(np.sin(heading)) * width
    frame = Frame(x, near + float(along) / 2, heading)
    return Item(near, frame, length, width, lambda canvas, rng: paint(canvas, rng, frame))


def standing(name: str, x: float, z: float) -> Item:
    """Something that faces the camera at (x, z)."""
    paint, length, width, extra = STANDING[name]
    return Item(z, Frame(x, z), length, width, lambda canvas, rng: paint(canvas, rng, x, z, *extra))


_LANE = 3.3  # metres
_ROAD_USERS = ("car", "cyclist", "truck", "bus", "train", "cyclist", "biker")
_KERB = ("lamp", "light", "sign", "lamp", "light", "sign", "tree", "motorcycle")
_WALK = ("person", "person", "bicycle", "person", "bin", "person", "bicycle", "person", "motorcycle")


def plan_street(rng: np.random.Generator) -> Street:
    """A road of two or three lanes, perhaps with parking, verges, a crosswalk and a junction."""
    lanes, park = int(rng.integers(1, 3)), (rng.random(2) < 0.5) * 2.2
    left, right = -_LANE / 2 - _LANE * lanes - park[0], _LANE / 2 + park[1]
    verge = (rng.random(2) < 0.5) * rng.uniform(1.2, 2.2, 2)
    walk = rng.uniform(2.6, 4.4, 2)
    edges = (left - verge[0] - walk[0], left - verge[0], left, right, right + verge[1], right + verge[1] + walk[1])
    start = rng.uniform(20, 34)
    grey = rng.uniform(84, 118)
    return Street(
        edges=tuple(map(float, edges)),  # type: ignore[arg-type]
        lane_lines=tuple(-_LANE / 2 - _LANE * lane for lane in range(lanes)) + ((_LANE / 2,) if park[1] else ()),
        rails=(),
        crosswalk=rng.uniform(6.5, 11) if rng.random() < 0.45 else None,
        junction=(start, start + rng.uniform(7, 10)) if rng.random() < 0.5 else None,
        asphalt=pick(rng, ((grey, grey, grey + 3),), 4),
        paving=pick(rng, ((176, 164, 154), (188, 174, 168), (164, 156, 150), (182, 160, 146)), 6),
        grass=pick(rng, ((118, 146, 62), (138, 152, 74), (104, 138, 60)), 8),
        tile=rng.uniform(0.5, 1.0),
    )


def with_rails(street: Street, rails: tuple[float, ...]) -> Street:
    """The same street with rails around these x (metres)."""
    return replace(street, rails=rails)


def plan_items(rng: np.random.Generator, street: Street) -> tuple[list[Item], tuple[float, ...]]:
    """Returns everything that stands on the street, and the x of the rails."""
    wishes = [_ROAD_USERS[index] for index in rng.permutation(len(_ROAD_USERS))]
    road = list(_lanes(rng, street, wishes))
    rails = tuple(
        item.frame.x for item in road if item.length == VEHICLES["train"][1] and abs(np.sin(item.frame.heading)) < 0.5
    )
    return [*road, *_pavement(rng, street, -1), *_pavement(rng, street, 1)], rails


def _lanes(rng: np.random.Generator, street: Street, wishes: list[str]) -> Iterator[Item]:
    """Road users, one wish after another: ahead, oncoming, parked and crossing."""
    yield from _queue(rng, 0.0, rng.uniform(9, 16), 0.0, wishes[:1])
    oncoming = -_LANE * (len(street.lane_lines) - (street.lane_lines[-1] > 0))
    yield from _queue(rng, oncoming, rng.uniform(9, 13), np.pi, wishes[1:4])
    if street.edges[3] > 2:
        yield from _queue(
            rng, street.edges[3] - 1.1, rng.uniform(8, 11), 0.0, [*(w for w in wishes[4:6] if w != "train"), "car"]
        )
    if oncoming - street.edges[2] > 2:
        yield from _queue(rng, street.edges[2] + 1.1, rng.uniform(9, 14), np.pi, ["car", "car"])
    if street.crosswalk is not None:
        for x in rng.uniform(street.edges[2], street.edges[3] + 1, int(rng.integers(2, 5))):
            yield standing("person", float(x), street.crosswalk + rng.uniform(0.4, 2.6))
    if street.junction is not None:
        middle, way = (street.junction[0] + street.junction[1]) / 2, rng.choice((-1, 1))
        yield _user(wishes[6], rng.uniform(-7, 7), middle - 1.2, float(way * np.pi / 2))


def _queue(rng: np.random.Generator, x: float, near: float, heading: float, names: Sequence[str]) -> Iterator[Item]:
    for name in names:
        yield _user(name, x + (rng.uniform(-0.25, 0.25) if name != "train" else 0.0), near, heading)
        near += (VEHICLES[name][1] if name in VEHICLES else 2.0) + rng.uniform(2.5, 7)


def _user(name: str, x: float, near: float, heading: float) -> Item:
    return vehicle(name, x, near, heading) if name in VEHICLES else standing(name, x, near)


def _pavement(rng: np.random.Generator, street: Street, side: int) -> Iterator[Item]:
    """Posts, trees and parked two-wheelers at the kerb; people, bicycles and bins behind them."""
    outer, kerb = (street.edges[5], street.edges[3]) if side > 0 else (street.edges[0], street.edges[2])
    turn = int(rng.integers(len(_KERB)))
    for step, near in enumerate(_stations(rng, abs(kerb) * 1.3 + 2.5)):
        yield standing(_KERB[(turn + step) % len(_KERB)], kerb + side * rng.uniform(0.4, 0.8), near)
    turn = int(rng.integers(len(_WALK)))
    for step, near in enumerate(_stations(rng, abs(outer) * 1.25 + 0.5)):
        across = rng.uniform(0.35, 0.85)
        yield standing(_WALK[(turn + step) % len(_WALK)], kerb + (outer - kerb) * across, near)


def _stations(rng: np.random.Generator, first: float) -> Iterator[float]:
    near = first + rng.uniform(0, 2)
    while near < 26:
        yield near
        near += rng.uniform(2.5, 5.0) * near / 10
