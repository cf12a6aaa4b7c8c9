"""Descriptors as YAML files, below datasets/ (its README.md says what every key means), read and checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qat.data.descriptor import PLACE, DataClass, Descriptor, digest
from qat.data.descriptor_values import READERS, Wrong
from qat.errors import UserError, nearest
from qat.files import read_yaml
from qat.resources import NAME, built_in_descriptor, find_descriptor

EXAMPLE = "{name: potholes, images: 'images/{split}', labels: 'masks/{split}', classes: [road, pothole]}"


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


def _value(key: str, value: Any, path: Path) -> Any:
    if key not in READERS:
        raise UserError(f"unknown key {key} in {path}; {nearest(key, READERS)}")
    try:
        return READERS[key](value)
    except Wrong as wrong:
        shown = value if isinstance(value, (str, int, float)) else json.dumps(value, default=str)
        raise UserError(f"{key} in {path} is {str(shown)[:80]}; expected {wrong}") from wrong


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
