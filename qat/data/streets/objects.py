"""The things in a street that can be counted, and the box of what is seen of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qat.data.streets import ids
from qat.data.streets.scene import Scene

CLASSES = {  # Cityscapes' things that the generator paints, in its order
    "person": ids.PERSON,
    "rider": ids.RIDER,
    "car": ids.CAR,
    "truck": ids.TRUCK,
    "bus": ids.BUS,
    "train": ids.TRAIN,
    "motorcycle": ids.MOTORCYCLE,
    "bicycle": ids.BICYCLE,
}
_INSTANCES = 1000  # Cityscapes' instanceIds are labelId * 1000 + number
LEAST_PIXELS = 32  # that an object shows
LEAST_SIDE = 4  # pixels


@dataclass(frozen=True)
class StreetObject:
    """An object: its class, an index of `CLASSES`; its number in the scene; what is seen of it, in pixels.

    `box`: x1, y1, x2, y2, the rim of the visible part. `pixels`: how many it has.
    """

    kind: int
    number: int
    box: tuple[int, int, int, int]
    pixels: int


def instance_map(scene: Scene) -> NDArray[np.uint16]:
    """(H, W) Cityscapes' instanceIds: labelId * 1000 + number where there is an object, else the labelId."""
    is_object = np.isin(scene.label, list(CLASSES.values())) & (scene.thing > 0)
    label = scene.label.astype(np.uint16)
    return np.where(is_object, label * np.uint16(_INSTANCES) + scene.thing, label)


def objects(scene: Scene) -> list[StreetObject]:
    """Every object of which enough is seen: the farthest first."""
    found = instance_map(scene)
    present = [value for value in np.unique(found).tolist() if value >= _INSTANCES]
    seen = (_object(found == value, value) for value in present)
    large = [one for one in seen if one.pixels >= LEAST_PIXELS and _least_side(one) >= LEAST_SIDE]
    return sorted(large, key=lambda one: (one.number, one.kind))


def _object(mask: NDArray[np.bool_], value: int) -> StreetObject:
    label, number = divmod(value, _INSTANCES)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return StreetObject(list(CLASSES.values()).index(label), number, box, int(mask.sum()))


def _least_side(one: StreetObject) -> int:
    left, top, right, bottom = one.box
    return min(right - left, bottom - top)
