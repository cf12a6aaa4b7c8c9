"""The persons in a street whose points can be seen: what is cut out, and where head, shoulders, hips and feet are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qat.data.streets import ids
from qat.data.streets.objects import StreetObject, objects
from qat.data.streets.scene import Scene

LEAST_HEIGHT = 24  # pixels of what is seen of a person
LEAST_SEEN = 4  # points
UNKNOWN, HIDDEN, SEEN = 0, 1, 2  # COCO's marks of a point: not labelled, labelled behind something, seen


@dataclass(frozen=True, eq=False)
class StreetPerson:
    """What is seen of a person (`thing`), and its points (points, 3): x and y in pixels, and COCO's mark.

    A point behind something is HIDDEN inside the box of what is seen, and UNKNOWN outside, as is one outside the
    picture.
    """

    thing: StreetObject
    points: NDArray[np.float64]


def people(scene: Scene) -> list[StreetPerson]:
    """The persons of whom enough is seen, the farthest first."""
    return list(_people(scene))


def _people(scene: Scene) -> Iterator[StreetPerson]:
    for one in objects(scene):
        if one.number not in scene.people or one.box[3] - one.box[1] < LEAST_HEIGHT:
            continue
        places = scene.people[one.number]
        marks = [_mark(scene, one, x, y) for x, y in places.tolist()]
        if marks.count(SEEN) >= LEAST_SEEN:
            points = np.column_stack([places, marks])
            yield StreetPerson(one, np.where(points[:, 2:] > 0, points, 0.0))


def _mark(scene: Scene, one: StreetObject, x: float, y: float) -> int:
    left, top, right, bottom = one.box
    if not (left <= x < right and top <= y < bottom):
        return UNKNOWN
    row, column = int(y), int(x)
    is_own = scene.thing[row, column] == one.number and scene.label[row, column] == ids.PERSON
    return SEEN if is_own else HIDDEN
