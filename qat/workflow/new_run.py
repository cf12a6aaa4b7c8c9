"""A ready config and descriptor from a network and folders of pictures and labels, and what was found and guessed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from qat.config import load_config
from qat.data import read_descriptor
from qat.data.classes_seen import ClassGuess, guess_classes
from qat.data.descriptor import IGNORE
from qat.data.survey import Pair, Survey, split_names, survey
from qat.errors import UserError
from qat.files import sweep, text_of, write_text
from qat.models import NetworkSpec, build_model, look_at, resolve, short_name
from qat.models.checkpoint import read_tensors, strip
from qat.models.onnx import InputSpec, read_network
from qat.models.user import names_onnx
from qat.resources import built_in_descriptor
from qat.workflow.network import RGB, channels_of, plain, user_network
from qat.workflow.new_findings import data_guessed, labels_found, pictures_found

PLAIN_FOLDERS = ("images", "image", "img", "imgs", "pictures", "rgb", "leftImg8bit")  # their parent has the set's name
KNOWN = ("cityscapes", "camvid")  # data sets whose ids labels may hold
LARGEST_CROP, LARGEST_BATCH = 1024, 8


@dataclass(frozen=True)
class NewRun:
    """The files that were written, and lines on what was `found` and what was `guessed`."""

    config: Path
    descriptor: Path
    lists: tuple[Path, ...]
    found: tuple[str, ...]
    guessed: tuple[str, ...]


@dataclass(frozen=True)
class _Network:
    spec: NetworkSpec
    output: int | str | None
    classes: int | None
    size: tuple[int, int]  # width, height of its pictures
    found: tuple[str, ...]
    guessed: tuple[str, ...]


def new_run(
    *,
    model: str,
    images: str | Path,
    labels: str | Path | None = None,
    output: str | Path = ".",
    classes: int | None = None,
    options: Sequence[str] = (),
) -> NewRun:
    """Look at a network, pictures and labels, and write a config and a data set descriptor for them.

    Args:
        model: MODEL.NAME: a registered network, path/net.py:function, package.module:function or path/net.onnx.
        images: a folder of pictures, with or without folders train and val in it.
        labels: a folder of label files, whose names are the pictures' but for an ending; None: the run has none.
        output: the folder of the files.
        classes: the number of classes, where neither the network nor its checkpoint says it.
        options: KEY VALUE pairs that the config gets too, such as MODEL.KWARGS or TEST.MODEL_FILE.

    Returns:
        The files, and what was found and guessed.

    Raises:
        UserError: for a file that is there already, folders without pictures, pictures without labels, labels that
            don't fit the network's classes, and a network that can't be loaded.
    """
    taken = read_network(model).input if names_onnx(model) else None
    seen = survey(images, labels, None if taken is None else taken.channels)
    own = _levels_of(seen, options)
    config = load_config(None, ["MODEL.NAME", model, *_size_of(seen, options), *own, *options])
    options = [*own, *options]
    network = _look(config, seen, classes, taken)
    values = [one.value for one in seen.values]
    known = [read_descriptor(name) for name in KNOWN]
    guess = guess_classes(values, classes or network.classes, known)
    files = _Files.of(Path(output), _set_name(Path(images)), short_name(model))
    descriptor, lists = _descriptor(files, Path(images), None if labels is None else Path(labels), seen, guess)
    written = _config(config, options, files, network, seen)
    found = (*network.found, *pictures_found(seen), *labels_found(seen, guess))
    guessed = (*network.guessed, *data_guessed(seen, guess, config.DATASET.MEAN, config.DATASET.STD))
    comment = "".join(f"# {line}\n" for line in (*found, *(f"guessed: {line}" for line in guessed)))
    beside = {**lists, files.descriptor: comment + _yaml(descriptor)}
    files.check(beside)
    for path, text in beside.items():
        write_text(path, text)
    write_text(files.config, comment + _yaml(written))
    load_config(files.config)
    return NewRun(files.config, files.descriptor, tuple(lists), found, guessed)


@dataclass(frozen=True)
class _Files:
    folder: Path
    data_set: str
    config: Path
    descriptor: Path

    @classmethod
    def of(cls, folder: Path, data_set: str, network: str) -> _Files:
        name = f"{network}_run" if network == data_set else network
        return cls(folder, data_set, folder / f"{name}.yaml", folder / f"{data_set}.yaml")

    def check(self, beside: Mapping[Path, str]) -> None:
        """UserError where a file is there; one as it would be written is what a killed run left."""
        sweep(self.folder.absolute())
        for path in (self.config, *beside):
            if path.exists() and text_of(path) != beside.get(path):
                raise UserError(f"{path} is there already and isn't overwritten; move it, or give another --output")


def _size_of(seen: Survey, options: Sequence[str]) -> list[str]:
    return [] if "TEST.IMAGE_SIZE" in options[::2] else ["TEST.IMAGE_SIZE", f"{seen.size[0]},{seen.size[1]}"]


def _levels_of(seen: Survey, options: Sequence[str]) -> list[str]:
    """Mean and deviation of pictures of other than three channels, for which no network states any."""
    if len(seen.mean) == RGB or "DATASET.MEAN" in options[::2]:
        return []
    mean, std = (
        [round(max(value, least), 4) for value in values] for values, least in ((seen.mean, 0), (seen.std, 1e-3))
    )
    return ["DATASET.MEAN", str(mean), "DATASET.STD", str(std)]


def _look(config: CfgNode, seen: Survey, classes: int | None, taken: InputSpec | None) -> _Network:
    """`taken`: what an ONNX file says of its pictures; None for other networks."""
    user = user_network(config)
    width, height = config.TEST.IMAGE_SIZE
    if user is None:
        spec = resolve(config.MODEL.NAME)
        line = f"network: {spec.name}, logits at 1/{spec.stride} of the picture's sides"
        return _Network(spec, None, classes or _in_checkpoint(config), (width, height), (line,), ())
    if taken is not None:
        width, height = taken.width or width, taken.height or height
    values = [one.value for one in seen.values]
    inner = [value for value in values if value != IGNORE]
    likely = [len(inner), len(values), max(inner, default=0) + 1] if values else []
    look = look_at(user, [classes] if classes else likely, (height, width), channels_of(config))
    sides = f"pictures' sides are multiples of {look.spec.side_multiple}"
    line = f"network: {user.name}, logits of {look.classes} classes at 1/{look.spec.stride}, {sides}"
    outputs = ", ".join(f"{key}: {shape}" for key, shape in look.outputs.items())
    found = [line, f"outputs: {outputs}; the logits are {look.output}"] if look.outputs else [line]
    guessed = (f"MODEL.OUTPUT {look.output} is the logits",) if look.guessed else ()
    if (width, height) != seen.size and taken is not None:
        found.append(f"the file takes pictures of {width}x{height} alone, and these have {seen.size[0]}x{seen.size[1]}")
    return _Network(look.spec, look.output, look.classes, (width, height), tuple(found), guessed)


def _in_checkpoint(config: CfgNode) -> int | None:
    """The number of classes of a registered network's checkpoint; None without one."""
    if not config.TEST.MODEL_FILE:
        return None
    state, _ = strip(read_tensors(config.TEST.MODEL_FILE))
    wanted = build_model(config.MODEL.NAME, 2).state_dict()
    heads = [state[key].shape[0] for key in wanted if key in state and state[key].shape != wanted[key].shape]
    return heads[-1] if heads else 2


def _set_name(images: Path) -> str:
    folder = images.resolve()
    name = folder.parent.name if folder.name in PLAIN_FOLDERS else folder.name
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "pictures"
    return f"{name}_own" if built_in_descriptor(name) else name


def _descriptor(
    files: _Files, images: Path, labels: Path | None, seen: Survey, guess: ClassGuess
) -> tuple[dict[str, Any], dict[Path, str]]:
    """The descriptor's keys, and list files where its patterns can't say which pictures there are."""
    folders = [images.resolve(), *([] if labels is None else [labels.resolve()])]
    root = Path(os.path.commonpath([folder.parent for folder in folders]))
    places = [folder.relative_to(root).as_posix() for folder in folders]
    tree: dict[str, Any] = {"name": files.data_set, "root": _near(root)}
    names = split_names([pair for pairs in seen.splits.values() for pair in pairs])
    lists: dict[Path, str] = {}
    if names and _by_name(seen):
        tree |= {key: f"{place}/{{split}}" for key, place in zip(("images", "labels"), places, strict=False)}
        tree["splits"] = dict(zip(("train", "val"), names, strict=True))
    else:
        for split, pairs in seen.splits.items():
            path = files.folder / f"{files.data_set}_{split}.txt"
            lists[path] = "".join(_line(pair, places) for pair in pairs)
        tree["splits"] = {
            split: Path(os.path.relpath(path.resolve(), root)).as_posix()
            for split, path in zip(seen.splits, lists, strict=True)
        }
    tree["classes"] = [{"name": name, "id": ids[0] if len(ids) == 1 else list(ids)} for name, ids in guess.classes]
    for one, colour in zip(tree["classes"], guess.colours, strict=False):
        one["colour"] = list(colour)
    return tree | ({"void": list(guess.void)} if guess.void else {}), lists


def _by_name(seen: Survey) -> bool:
    """Whether every picture of the folders is taken, and its label has its name."""
    pairs = [pair for pairs in seen.splits.values() for pair in pairs]
    same = all(pair.label is None or pair.label.with_suffix("") == pair.image.with_suffix("") for pair in pairs)
    return same and seen.unpaired == 0


def _line(pair: Pair, places: Sequence[str]) -> str:
    paths = [
        f"{place}/{path.as_posix()}" for place, path in zip(places, (pair.image, pair.label), strict=False) if path
    ]
    if any("," in path for path in paths):
        raise UserError(f"{pair.image} has a comma in its path, which a list file can't hold; rename it")
    return ", ".join(paths) + ("\n" if len(paths) > 1 or " " not in paths[0] else ",\n")


def _near(path: Path) -> str:
    """The path, relative to the working directory where it lies in it."""
    here = Path.cwd().resolve()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _config(config: CfgNode, options: Sequence[str], files: _Files, network: _Network, seen: Survey) -> dict[str, Any]:
    """The config's sections; `options` as they were given win."""
    model: dict[str, Any] = {"NAME": config.MODEL.NAME}
    if config.MODEL.KWARGS:
        model["KWARGS"] = plain(config.MODEL.KWARGS)
    if network.output is not None:
        model["OUTPUT"] = network.output
    tree: dict[str, Any] = {
        "MODEL": model,
        "DATASET": {"DATASET": _near(files.descriptor.resolve())},
        "TEST": {"IMAGE_SIZE": list(network.size), "MODEL_FILE": config.TEST.MODEL_FILE},
        "TRAIN": {
            "IMAGE_SIZE": [_crop(side, network.spec) for side in network.size],
            "BASE_SIZE": max(network.size),
            "BATCH_SIZE_PER_GPU": max(1, min(LARGEST_BATCH, len(seen.splits["train"]))),
        },
    }
    for key in options[::2]:
        section, _, name = key.rpartition(".")
        value = plain((config[section] if section else config)[name])
        part: dict[str, Any] = tree.setdefault(section, {}) if section else tree
        part.setdefault(name, list(value) if isinstance(value, tuple) else value)
    return tree


def _crop(side: int, spec: NetworkSpec) -> int:
    """A crop's side: the picture's, at most `LARGEST_CROP`, as a multiple of what the network takes."""
    multiple = spec.side_multiple
    return max(min(side, LARGEST_CROP) // multiple, 1) * multiple


def _yaml(tree: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(tree), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True)
