"""The values of a descriptor's keys: a reader each, which says what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qat.data.descriptor import (
    BOXES,
    FOLDERS,
    KEYPOINTS,
    LABEL_IDS,
    TRAIN_IDS,
    DataClass,
    Streets,
    spare_colour,
)
from qat.errors import nearest
from qat.resources import NAME

MOST_CHANNELS = 16
_MOST_CLASSES = 255  # train ids are bytes, and 255 is ignored


class Wrong(Exception):
    """A value isn't right; the text says what was expected."""


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Wrong("letters, digits, - and _, since folders are named after it")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong("a text (in quotes, where it looks like a number, yes or no)")
    return value


def _variable(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value)):
        raise Wrong("a variable's name, such as CAMVID_ROOT")
    return str(value)


def _pattern(value: Any) -> str:
    folder, _, ending = str(value).partition("{frame}")
    bare = folder.replace("{split}", "")
    if not isinstance(value, str) or value.startswith("/") or ".." in Path(value).parts or {*"{}"} & {*(bare + ending)}:
        raise Wrong("a path below the root, such as images/{split}/{frame}_rgb.png, in quotes where it begins with {")
    if "{split}" not in folder:
        raise Wrong("{split} in it, or else every split has the same pictures; or leave it out and give list files")
    if ("{frame}" in value and not folder.endswith("/")) or "/" in ending:
        raise Wrong("{frame} after the last /, such as images/{split}/{frame}_rgb.png")
    return value.rstrip("/")


def _labels(value: Any) -> tuple[tuple[str, str], ...]:
    if value == FOLDERS:
        return ((FOLDERS, ""),)
    if not isinstance(value, dict):
        return ((LABEL_IDS, _pattern(value)),)
    if not value or not (set(value) <= {LABEL_IDS, TRAIN_IDS} or set(value) in ({BOXES}, {KEYPOINTS})):
        both = f"one for each of {LABEL_IDS} and {TRAIN_IDS}"
        others = f"{{{BOXES}: labels/{{split}}}}, or {{{KEYPOINTS}: points_{{split}}.json}}"
        raise Wrong(f"a pattern such as masks/{{split}}, {both}, {FOLDERS}, {others}")
    return tuple((encoding, _pattern(pattern)) for encoding, pattern in value.items())


def _splits(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not set(value) <= {"train", "val"}:
        raise Wrong("the splits or list files of train and val, such as {train: train.txt, val: val.txt}")
    return {str(key): _text(split) for key, split in value.items()}


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong("a list, such as [test]")
    return tuple(_text(one) for one in value)


def _ids(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(type(one) is int and 0 <= one <= 255 for one in values):
        raise Wrong("a label file's value from 0 to 255, or a list of such")
    return tuple(values)


def _void(value: Any) -> tuple[int, ...]:
    return _ids(value) if value != [] else ()


def _colour(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) != 3 or not all(type(one) is int and 0 <= one <= 255 for one in value):
        raise Wrong("colours of red, green and blue from 0 to 255, such as [128, 64, 128]")
    return tuple(value)


def _colours(value: Any) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list):
        raise Wrong("a list of colours, such as [[0, 0, 0]]")
    return tuple(_colour(one) for one in value)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def _weight(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value < float("inf"):
        raise Wrong("weights above 0, such as 1.0")
    return float(value)


def _shares(least: float, expected: str) -> Callable[[Any], tuple[float, ...]]:
    def read(value: Any) -> tuple[float, ...]:
        numbers = value if isinstance(value, list) else []
        if not 1 <= len(numbers) <= MOST_CHANNELS or not all(
            type(one) in (int, float) and least <= one <= 1 for one in numbers
        ):
            raise Wrong(expected)
        return tuple(float(one) for one in numbers)

    return read


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    pairs = value if isinstance(value, list) else [value]
    if not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair) for pair in pairs
    ):
        raise Wrong("pairs of classes, such as [[left_hip, left_foot], [right_hip, right_foot]]")
    return tuple((first, second) for first, second in pairs)


def _sigmas(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else []
    if not values or not all(type(one) in (int, float) and 0 < one <= 1 for one in values):
        raise Wrong("a number above 0, at most 1, for each class, such as [0.026, 0.079]")
    return tuple(float(one) for one in values)


def _streets(value: Any) -> Streets:
    if not isinstance(value, dict) or set(value) != {"train", "val", "seed"}:
        raise Wrong("the generator's settings, such as {train: 64, val: 32, seed: 0}")
    if not all(type(one) is int and one >= 0 for one in value.values()):
        raise Wrong("whole numbers from 0")
    return Streets(**value)


def _classes(value: Any) -> tuple[DataClass, ...]:
    if not isinstance(value, list) or not value:
        raise Wrong("a list of classes, such as [road, pothole] or [{name: road, id: 7, colour: [128, 64, 128]}]")
    if len(value) > _MOST_CLASSES:
        raise Wrong(f"at most {_MOST_CLASSES} classes")
    return tuple(_class(index, one) for index, one in enumerate(value))


def _class(index: int, value: Any) -> DataClass:
    keys = value if isinstance(value, dict) else {"name": value}
    if unknown := [str(key) for key in keys if key not in _CLASS_READERS]:
        raise Wrong(f"no key {unknown[0]} in class {index}; {nearest(unknown[0], _CLASS_READERS)}")
    try:
        read = {key: _CLASS_READERS[key](one) for key, one in keys.items()}
    except Wrong as wrong:
        raise Wrong(f"in class {index} {wrong}") from wrong
    if "name" not in read:
        raise Wrong(f"a name in class {index}")
    ids, colour = read.get("id", (index,)), read.get("colour", spare_colour(index))
    return DataClass(read["name"], ids, colour, read.get("weight"))


_CLASS_READERS: dict[str, Callable[[Any], Any]] = {"name": _text, "id": _ids, "colour": _colour, "weight": _weight}
READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "root": _text,
    "root_variable": _variable,
    "images": _pattern,
    "labels": _labels,
    "splits": _splits,
    "unlabelled": _texts,
    "classes": _classes,
    "void": _void,
    "folder": _name,
    "coloured": _yes_or_no,
    "void_colours": _colours,
    "skeleton": _pairs,
    "sigmas": _sigmas,
    "mean": _shares(0, "a number from 0 to 1 for each channel, such as [0.485, 0.456, 0.406]"),
    "std": _shares(1e-6, "a number above 0, at most 1, for each channel, such as [0.229, 0.224, 0.225]"),
    "streets": _streets,
}
