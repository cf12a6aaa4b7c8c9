"""Labels of persons' points in COCO's key-point format: a JSON file for all pictures of a split.

Of COCO's keys these are read: `images` (`id`, `file_name`), `annotations` (`image_id`, `bbox`: x, y, width, height in
pixels; `keypoints`: x, y and a mark of each point, 0 not labelled, 1 hidden, 2 seen; `area`; `iscrowd`) and
`categories` (`keypoints`: the points' names). Source: cocodataset.org, "Data format", 2.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qat.deploy.person_crop import Box
from qat.errors import UserError

COLUMNS = 3  # x, y, mark
_FORMAT = "COCO's key-point format: a JSON object with images, annotations (bbox, keypoints) and categories (keypoints)"


@dataclass(frozen=True, eq=False)
class Person:
    """A person in a picture: its number in the file, its box and points (n, 3) in pixels, its area in square pixels."""

    number: int
    box: Box
    points: NDArray[np.float64]
    area: float


def read_persons(path: Path, names: Sequence[str]) -> Mapping[str, tuple[Person, ...]]:
    """The persons that have a labelled point, by their pictures' `file_name`; a picture without any has ().

    Raises UserError for a file that can't be read, is in another format, or has other points than `names`.
    """
    try:
        seen = path.stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"can't read label {path}: {error.strerror}; expected {_FORMAT}") from error
    return _read(path, seen, tuple(names))


@lru_cache(maxsize=8)  # each of a run's stages asks for it
def _read(path: Path, seen: int, names: tuple[str, ...]) -> Mapping[str, tuple[Person, ...]]:
    content = read_json(path, _FORMAT)
    try:
        _check_names(content["categories"], names, path)
        pictures = {one["id"]: str(one["file_name"]) for one in content["images"]}
        rows = [(pictures[one["image_id"]], one) for one in content["annotations"] if not one.get("iscrowd")]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"label {path} has no {_missing(error)}; expected {_FORMAT}") from error
    found: dict[str, list[Person]] = defaultdict(list, {name: [] for name in pictures.values()})
    for number, (picture, row) in enumerate(rows):
        person = _person(row, number, len(names), path)
        if person.points[:, 2].any():
            found[picture].append(person)
    return {picture: tuple(persons) for picture, persons in found.items()}


def read_json(path: Path, expected: str) -> Any:
    """What a JSON file holds; UserError, which says what was `expected`, if it can't be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:  # text that is no UTF-8 is a ValueError too
        reason = getattr(error, "strerror", None) or "not JSON"
        raise UserError(f"can't read {path}: {reason}; expected {expected}") from error


def _missing(error: Exception) -> str:
    return f"{error.args[0]!r} where there should be one" if isinstance(error, KeyError) else "such lists"


def _check_names(categories: Sequence[Mapping[str, Any]], names: Sequence[str], path: Path) -> None:
    own = next((list(map(str, one["keypoints"])) for one in categories if "keypoints" in one), [])
    if own != list(names):
        raise UserError(
            f"label {path} has the points {', '.join(own) or 'of no category'}; expected the classes of the data "
            f"set's descriptor in their order: {', '.join(names)}"
        )


def _person(row: Mapping[str, Any], number: int, points: int, path: Path) -> Person:
    try:
        x, y, width, height = (float(value) for value in row["bbox"])
        values = np.array(row["keypoints"], np.float64).reshape(-1, COLUMNS)
        area = float(row.get("area", width * height))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong(path, number, "has no bbox of four numbers, or no keypoints in threes") from error
    if len(values) != points:
        raise _wrong(path, number, f"has {len(values)} keypoints and there are {points} classes")
    if not np.isfinite([x, y, width, height, area, *values.flat]).all() or min(width, height, area) <= 0:
        raise _wrong(path, number, "has a bbox or area that isn't above 0, or points that aren't finite")
    if not np.isin(values[:, 2], (0, 1, 2)).all():
        raise _wrong(path, number, "has a keypoint whose mark isn't 0, 1 or 2")
    return Person(int(row.get("id", number)), (x, y, x + width, y + height), values, area)


def _wrong(path: Path, number: int, what: str) -> UserError:
    return UserError(f"label {path}: annotation {number} {what}; expected {_FORMAT}")
