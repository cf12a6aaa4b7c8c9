"""Boxes of persons that another network found: where a pose network is to look."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qat.data.person_file import read_json
from qat.deploy.person_crop import Box
from qat.errors import UserError

PERSON = "person"  # the category that counts, where rows say one: a detector's file has other things too
_FORMAT = (
    'a JSON list such as [{"file_name": "a.png", "bbox": [x, y, width, height]}] in pixels, or an object with COCO\'s '
    "images and annotations"
)


def read_boxes(path: str | Path) -> Mapping[str, tuple[Box, ...]]:
    """The boxes x1, y1, x2, y2 of each picture, by its `file_name`; UserError for a file in another format."""
    path = Path(path)
    content = read_json(path, _FORMAT)
    found: dict[str, list[Box]] = defaultdict(list)
    for number, (name, row) in enumerate(_rows(content, path)):
        found[name].append(_box(row, number, path))
    if not found:
        raise UserError(f"{path} has no box of a person; expected {_FORMAT}")
    return {name: tuple(boxes) for name, boxes in found.items()}


def _rows(content: Any, path: Path) -> list[tuple[str, Any]]:
    try:
        if isinstance(content, list):
            persons = (row for row in content if row.get("category", PERSON) == PERSON)
            return [(str(row["file_name"]), row["bbox"]) for row in persons]
        names = {one["id"]: str(one["file_name"]) for one in content["images"]}
        return [(_named(names, one["image_id"], path), one["bbox"]) for one in content["annotations"]]
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"has no {error.args[0]!r} where there should be one" if isinstance(error, KeyError) else "is no list"
        raise UserError(f"{path} {reason}; expected {_FORMAT}") from error


def _named(names: Mapping[Any, str], number: Any, path: Path) -> str:
    if number not in names:
        raise UserError(f"{path}: an annotation is of image_id {number}, and no image has that id; expected {_FORMAT}")
    return names[number]


def _box(row: Any, number: int, path: Path) -> Box:
    try:
        x, y, width, height = (float(value) for value in row)
    except (TypeError, ValueError):
        x = y = width = height = math.nan
    if not all(map(math.isfinite, (x, y))) or not (0 < width < math.inf and 0 < height < math.inf):
        raise UserError(f"{path}: bbox {str(row)[:60]} (number {number}) isn't one; expected {_FORMAT}")
    return x, y, x + width, y + height
