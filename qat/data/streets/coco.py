"""Persons of street pictures in COCO's key-point format (cocodataset.org, "Data format")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qat.data.streets.pavement import POINTS
from qat.data.streets.people import StreetPerson

SKELETON = (  # pairs of POINTS
    (0, 1),
    (0, 2),
    (1, 2),
    (1, 3),
    (2, 4),
    (3, 4),
    (3, 5),
    (4, 6),
)


@dataclass(frozen=True)
class CocoPicture:
    """A picture's file name, and the persons in it."""

    name: str
    people: Sequence[StreetPerson]


def coco_content(pictures: Sequence[CocoPicture], size: Sequence[int]) -> dict[str, Any]:
    """The content of a file for `pictures` of `size`, width and height.

    >>> content = coco_content([CocoPicture("a.png", [])], (512, 256))
    >>> content["images"], content["annotations"]
    ([{'id': 0, 'file_name': 'a.png', 'width': 512, 'height': 256}], [])
    """
    width, height = size
    pairs = [(index, person) for index, picture in enumerate(pictures) for person in picture.people]
    return {
        "images": [
            {"id": index, "file_name": picture.name, "width": width, "height": height}
            for index, picture in enumerate(pictures)
        ],
        "annotations": [_annotation(number, image, person) for number, (image, person) in enumerate(pairs, 1)],
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(POINTS), "skeleton": [[a + 1, b + 1] for a, b in SKELETON]}
        ],
    }


def _annotation(number: int, image: int, person: StreetPerson) -> dict[str, Any]:
    left, top, right, bottom = person.thing.box
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": person.thing.pixels,
        "iscrowd": 0,
        "num_keypoints": int((person.points[:, 2] > 0).sum()),
        "keypoints": [
            value for x, y, mark in person.points.tolist() for value in (round(x, 2), round(y, 2), int(mark))
        ],
    }
