"""Things that stand on the street: each knows its depth, its shadow and how to paint itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qat.data.streets.buses import paint_bus
from qat.data.streets.canvas import Canvas
from qat.data.streets.cars import paint_car
from qat.data.streets.cycles import paint_bicycle, paint_motorcycle
from qat.data.streets.furniture import paint_bin, paint_lamp_post, paint_sign, paint_traffic_light
from qat.data.streets.people import paint_person
from qat.data.streets.plants import paint_tree
from qat.data.streets.rail import paint_train
from qat.data.streets.solid import Frame
from qat.data.streets.trucks import paint_truck

Paint = Callable[[Canvas, np.random.Generator], None]


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
