"""Descriptors as YAML files, below datasets/ (its README.md says what every key means), read and checked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qat.data.descriptor import (
    BOXES,
    FOLDERS,
    KEYPOINTS,
    LABEL_IDS,
    PLACE,
    TRAIN_IDS,
    DataClass,
    Descriptor,
    Streets,
    digest,
    spare_colour,
)
from qat.errors import UserError, nearest
from qat.files import read_yaml
from qat.resources import NAME, built_in_descriptor, find_descriptor

EXAMPLE = "{name: potholes, images: 'images/{split}', labels: 'masks/{split}', classes: [road, pothole]}"
MOST_CHANNELS = 16
_MOST_CLASSES = 255  # train ids are bytes, and 255 is ignored


def read_descriptor(name: str | Path) -> Descriptor:
    """Reads the descriptor of that name or path; a UserError names the file and the key that is wrong.

    >>> read_descriptor("camvid").classes[3].name
    'Road'
    """
    path = find_descriptor(name)
    return parse(_tree(path, ()), path)


def built_in_digest(name: str) -> str | None:
    """Returns the digest of the project's own descriptor of that name; None if there is none.

    Records that are older than descriptor files were made from it.
    """
    path = built_in_descriptor(name)
    return None if path is None else digest(read_descriptor(path))


def parse(tree: Mapping[Any, Any], path: Path) -> Descriptor:
    """A descriptor of the keys in `tree`; `path`: the file that they come from."""
    values = {str(key): _value(str(key), value, path) for key, value in tree.items()}
    if missing := [key for key in ("name", "classes") if key not in values]:
        raise UserError(f"{path} has no {missing[0]}; expected a descriptor such as {EXAMPLE}")
    if "images" not in values and "splits" not in values:
        raise UserError(f"{path} has neither images nor splits; expected images: images/{{split}}, or list files")
    _check_classes(values["classes"], values.get("void", ()), path)
    _check_colours(tree, values, path)
    values["skeleton"] = _by_number(values, path)
    _check_sigmas(values, path)
    splits = values.pop("splits", {})
    return Descriptor(**{"root": str(path.resolve().parent)} | values | splits)


def _by_number(values: Mapping[str, Any], path: Path) -> tuple[tuple[int, ...], ...]:
    """The skeleton's pairs of names as classes' numbers."""
    names, pairs = [one.name for one in values["classes"]], values.get("skeleton", ())
    if unknown := [name for pair in pairs for name in pair if name not in names]:
        raise UserError(f"skeleton in {path} has {unknown[0]}, which is no class; {nearest(unknown[0], names)}")
    return tuple(tuple(map(names.index, pair)) for pair in pairs)


def _check_sigmas(values: Mapping[str, Any], path: Path) -> None:
    sigmas, classes = values.get("sigmas", ()), values["classes"]
    if len(sigmas) not in (0, len(classes)):
        raise UserError(f"sigmas in {path} are {len(sigmas)}; expected one for each of the {len(classes)} classes")


def _tree(path: Path, seen: tuple[Path, ...]) -> dict[Any, Any]:
    """Returns the file's keys, over those of the descriptor that its key `like` names."""
    tree = read_yaml(path, EXAMPLE)
    if "like" not in tree:
        return tree
    base = _neighbour(path, str(tree.pop("like")))
    if base in (path, *seen):
        raise UserError(f"{path} is like {base}, which is like it; write its keys out")
    return {key: value for key, value in _tree(base, (path, *seen)).items() if key not in PLACE} | tree


def _neighbour(path: Path, name: str) -> Path:
    """Finds the descriptor that the one at `path` calls `name`: in its folder, in the project, or elsewhere."""
    near = (path.with_name(f"{name}.yaml"), built_in_descriptor(name)) if NAME.fullmatch(name) else ()
    return next((one for one in near if one and one.is_file() and one != path), None) or find_descriptor(name)


class _Wrong(Exception):
    """A value isn't right; the text says what was expected."""


def _value(key: str, value: Any, path: Path) -> Any:
    if key not in _READERS:
        raise UserError(f"unknown key {key} in {path}; {nearest(key, _READERS)}")
    try:
        return _READERS[key](value)
    except _Wrong as wrong:
        shown = value if isinstance(value, (str, int, float)) else json.dumps(value, default=str)
        raise UserError(f"{key} in {path} is {str(shown)[:80]}; expected {wrong}") from wrong


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise _Wrong("letters, digits, - and _, since folders are named after it")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong("a text (in quotes, where it looks like a number, yes or no)")
    return value


def _variable(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value)):
        raise _Wrong("a variable's name, such as CAMVID_ROOT")
    return str(value)


def _pattern(value: Any) -> str:
    folder, _, ending = str(value).partition("{frame}")
    bare = folder.replace("{split}", "")
    if not isinstance(value, str) or value.startswith("/") or ".." in Path(value).parts or {*"{}"} & {*(bare + ending)}:
        raise _Wrong("a path below the root, such as images/{split}/{frame}_rgb.png, in quotes where it begins with {")
    if "{split}" not in folder:
        raise _Wrong("{split} in it, or else every split has the same pictures; or leave it out and give list files")
    if ("{frame}" in value and not folder.endswith("/")) or "/" in ending:
        raise _Wrong("{frame} after the last /, such as images/{split}/{frame}_rgb.png")
    return value.rstrip("/")


def _labels(value: Any) -> tuple[tuple[str, str], ...]:
    if value == FOLDERS:
        return ((FOLDERS, ""),)
    if not isinstance(value, dict):
        return ((LABEL_IDS, _pattern(value)),)
    if not value or not (set(value) <= {LABEL_IDS, TRAIN_IDS} or set(value) in ({BOXES}, {KEYPOINTS})):
        both = f"one for each of {LABEL_IDS} and {TRAIN_IDS}"
        others = f"{{{BOXES}: labels/{{split}}}}, or {{{KEYPOINTS}: points_{{split}}.json}}"
        raise _Wrong(f"a pattern such as masks/{{split}}, {both}, {FOLDERS}, {others}")
    return tuple((encoding, _pattern(pattern)) for encoding, pattern in value.items())


def _splits(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not set(value) <= {"train", "val"}:
        raise _Wrong("the splits or list files of train and val, such as {train: train.txt, val: val.txt}")
    return {str(key): _text(split) for key, split in value.items()}


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong("a list, such as [test]")
    return tuple(_text(one) for one in value)


def _ids(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(type(one) is int and 0 <= one <= 255 for one in values):
        raise _Wrong("a label file's value from 0 to 255, or a list of such")
    return tuple(values)


def _void(value: Any) -> tuple[int, ...]:
    return _ids(value) if value != [] else ()


def _colour(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) != 3 or not all(type(one) is int and 0 <= one <= 255 for one in value):
        raise _Wrong("colours of red, green and blue from 0 to 255, such as [128, 64, 128]")
    return tuple(value)


def _colours(value: Any) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list):
        raise _Wrong("a list of colours, such as [[0, 0, 0]]")
    return tuple(_colour(one) for one in value)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _weight(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value < float("inf"):
        raise _Wrong("weights above 0, such as 1.0")
    return float(value)


def _shares(least: float, expected: str) -> Callable[[Any], tuple[float, ...]]:
    def read(value: Any) -> tuple[float, ...]:
        numbers = value if isinstance(value, list) else []
        if not 1 <= len(numbers) <= MOST_CHANNELS or not all(
            type(one) in (int, float) and least <= one <= 1 for one in numbers
        ):
            raise _Wrong(expected)
        return tuple(float(one) for one in numbers)

    return read


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    pairs = value if isinstance(value, list) else [value]
    if not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair) for pair in pairs
    ):
        raise _Wrong("pairs of classes, such as [[left_hip, left_foot], [right_hip, right_foot]]")
    return tuple((first, second) for first, second in pairs)


def _sigmas(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else []
    if not values or not all(type(one) in (int, float) and 0 < one <= 1 for one in values):
        raise _Wrong("a number above 0, at most 1, for each class, such as [0.026, 0.079]")
    return tuple(float(one) for one in values)


def _streets(value: Any) -> Streets:
    if not isinstance(value, dict) or set(value) != {"train", "val", "seed"}:
        raise _Wrong("the generator's settings, such as {train: 64, val: 32, seed: 0}")
    if not all(type(one) is int and one >= 0 for one in value.values()):
        raise _Wrong("whole numbers from 0")
    return Streets(**value)


def _classes(value: Any) -> tuple[DataClass, ...]:
    if not isinstance(value, list) or not value:
        raise _Wrong("a list of classes, such as [road, pothole] or [{name: road, id: 7, colour: [128, 64, 128]}]")
    if len(value) > _MOST_CLASSES:
        raise _Wrong(f"at most {_MOST_CLASSES} classes")
    return tuple(_class(index, one) for index, one in enumerate(value))


def _class(index: int, value: Any) -> DataClass:
    keys = value if isinstance(value, dict) else {"name": value}
    if unknown := [str(key) for key in keys if key not in _CLASS_READERS]:
        raise _Wrong(f"no key {unknown[0]} in class {index}; {nearest(unknown[0], _CLASS_READERS)}")
    try:
        read = {key: _CLASS_READERS[key](one) for key, one in keys.items()}
    except _Wrong as wrong:
        raise _Wrong(f"in class {index} {wrong}") from wrong
    if "name" not in read:
        raise _Wrong(f"a name in class {index}")
    ids, colour = read.get("id", (index,)), read.get("colour", spare_colour(index))
    return DataClass(read["name"], ids, colour, read.get("weight"))


def _check_colours(tree: Mapping[Any, Any], values: Mapping[str, Any], path: Path) -> None:
    """Coloured labels need a colour of its own for each class."""
    if not values.get("coloured"):
        return
    if bare := [str(one["name"] if isinstance(one, dict) else one) for one in tree["classes"] if "colour" not in one]:
        raise UserError(f"classes in {path}: {bare[0]} has no colour; coloured: true needs one for each class")
    named = Counter([one.colour for one in values["classes"]] + list(values.get("void_colours", ())))
    if twice := [list(colour) for colour, count in named.items() if count > 1]:
        raise UserError(f"{path} has the colour {twice[0]} twice; expected it once, in a class or in void_colours")


def _check_classes(classes: tuple[DataClass, ...], void: tuple[int, ...], path: Path) -> None:
    named = Counter(one.name for one in classes)
    if twice := [name for name, count in named.items() if count > 1]:
        raise UserError(f"classes in {path}: {twice[0]} is there twice; expected each name once")
    values = Counter([value for one in classes for value in one.ids] + list(void))
    if taken := [value for value, count in values.items() if count > 1]:
        raise UserError(f"classes in {path}: id {taken[0]} is there twice; expected it once, in a class or in void")
    if len({one.weight is None for one in classes}) > 1:
        raise UserError(f"classes in {path}: some have a weight and some not; expected all or none")


_CLASS_READERS: dict[str, Callable[[Any], Any]] = {"name": _text, "id": _ids, "colour": _colour, "weight": _weight}
_READERS: dict[str, Callable[[Any], Any]] = {
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
