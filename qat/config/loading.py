"""Loads a config: defaults, the data set's descriptor, a YAML file, KEY VALUE pairs.

An error for a wrong key or value names it and the nearest right one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yacs.config import CfgNode

from qat.config.checks import NUMBERED, validate
from qat.config.defaults import _C, EXAMPLES, MAPPINGS, PATHS
from qat.config.published import official_descriptor, read_published
from qat.errors import UserError, close, nearest
from qat.files import read_yaml
from qat.resources import built_in_descriptor, expand, expand_set, find_config, find_descriptor

_EXAMPLE = "MODEL: {NAME: pidnet_s}"
if TYPE_CHECKING:
    from qat.data.descriptor import Descriptor

_AT_ONCE = ("OUTPUT_DIR", "LOG_DIR", "DATASET.DATASET")  # paths that every stage needs; others where they are read


def default_config() -> CfgNode:
    """Returns a fresh, unfrozen copy of the defaults; keys that a descriptor fills are None."""
    return _C.clone()


def load_config(path: str | Path | None, opts: Sequence[str] = ()) -> CfgNode:
    """Read a config: defaults <- the data set's descriptor <- YAML file <- KEY VALUE pairs; frozen, every key set.

    `path`: a YAML file, a name such as camvid/pidnet_s (`qat.resources`), or BiSeNet's own .py file, which is parsed
    and not run. NAME becomes the file's stem unless it is set. Raises UserError for an unreadable file, an unknown key,
    a value of the wrong type or outside its choices, and for a value that contradicts the descriptor.

    >>> load_config("camvid/pidnet_s").DATASET.NUM_CLASSES
    11
    """
    config = default_config()
    file = None if path is None else find_config(path)
    if file is not None:
        _merge(config, _items(file), str(file))
    _merge(config, _pairs(opts), "options")
    config.NAME = config.NAME or _name(config, file, opts)
    complete(config)
    validate(dict(_flatten(config)), dict(_flatten(_C)))
    config.freeze()
    return config


def _items(file: Path) -> Iterator[tuple[str, Any]]:
    return read_published(file) if file.suffix == ".py" else _flatten(read_yaml(file, _EXAMPLE))


def _name(config: CfgNode, file: Path | None, opts: Sequence[str]) -> str:
    """The file's stem; the network's name where an option gives a network of the user's own, or there is no file."""
    from qat.models import names_own, short_name

    if file is None or ("MODEL.NAME" in opts[::2] and names_own(config.MODEL.NAME)):
        return short_name(config.MODEL.NAME)
    return file.stem


def with_values(config: CfgNode, values: Mapping[str, Any]) -> CfgNode:
    """Returns a frozen copy with these values.

    >>> with_values(load_config(None), {"QUANT.BACKEND": "fx"}).QUANT.BACKEND
    'fx'
    """
    copied = config.clone()
    copied.defrost()
    for key, value in values.items():
        _set(copied, key, value)
    copied.freeze()
    return copied


def _set(config: CfgNode, key: str, value: Any) -> None:
    section, _, name = key.rpartition(".")
    (config[section] if section else config)[name] = value


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and f"{prefix}{key}" not in MAPPINGS:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _pairs(opts: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(opts) % 2:
        raise UserError(f"options come as KEY VALUE pairs; {opts[-1]} has no value")
    return zip(opts[::2], opts[1::2], strict=True)


def _merge(config: CfgNode, items: Iterator[tuple[str, Any]], where: str) -> None:
    known = dict(_flatten(config))
    for key, value in items:
        if key not in known:
            raise UserError(f"unknown key {key} in {where}; {_right_key(key, known)}")
        if key in MAPPINGS:
            _set(config, key, _mapping(key, value, where))
            continue
        like = EXAMPLES.get(key, known[key])
        try:
            _set(config, key, copy.copy(like))  # yacs takes the type that is there for the one that is wanted
            config.merge_from_list([key, _by_name(key, _widened(value, like))])
        except (ValueError, SyntaxError, TypeError) as error:
            expected = f"expected {type(like).__name__}, such as {like!r}"
            raise UserError(f"{key} in {where} is {value!r}; {expected}") from error


def _right_key(key: str, known: Iterable[str]) -> str:
    """What to write instead of `key`: the nearest of the known ones, its section's keys, or every section."""
    section = key.partition(".")[0]
    own = [name for name in known if name.startswith(f"{section}.")]
    near = "" if own and key == section else close(key, known)
    if near:
        return f"did you mean {near}?"
    if own:
        return nearest("", own)
    plain = [name for name in known if "." not in name]
    sections = dict.fromkeys(name.partition(".")[0] for name in known if "." in name)
    return f"expected one of: {', '.join(plain)}, or a key of a section: {', '.join(sections)}"


def _mapping(key: str, value: Any, where: str) -> CfgNode:
    """Returns the mapping that a file or an option gives, as a part of a config."""
    try:
        found = yaml.safe_load(value) if isinstance(value, str) else value
        if isinstance(found, dict) and all(isinstance(name, str) for name in found):
            return CfgNode(found)
    except (yaml.YAMLError, AssertionError):
        pass  # yacs refuses values that YAML can't hold plainly, such as dates
    raise UserError(f"{key} in {where} is {value!r}; expected a mapping by name, such as {{width: 32}}")


def _widened(value: Any, like: Any) -> Any:
    """A whole number becomes a float where one is expected (PERCENTILE 100)."""
    try:
        return float(int(str(value))) if isinstance(like, float) else value
    except (ValueError, OverflowError):
        return value


def _by_name(key: str, value: Any) -> Any:
    """A number that stands for a word becomes it (the vendor's COMPILE.OPT 3 is O3)."""
    return NUMBERED.get(key, {}).get(str(value), value)


def complete(config: CfgNode) -> None:
    """Fills keys that are None from the descriptor or the network, and each `${NAME}` that the environment sets.

    Raises UserError for a descriptor that isn't there or isn't right, and for values that contradict it.
    """
    descriptor = _name_descriptor(config)
    for name, value in _values(config, descriptor).items():
        if config.DATASET[name] is None:
            config.DATASET[name] = value
    if config.TEST.FIT is None:
        config.TEST.FIT = _network_fit(config.MODEL.NAME)
    _check_fit(config)
    for key in PATHS:
        node, name = _node(config, key)
        node[name] = expand(node[name], key) if key in _AT_ONCE else expand_set(node[name])
    _check_classes(config, len(descriptor.classes))


def _name_descriptor(config: CfgNode) -> Descriptor:
    """Reads the descriptor; DATASET.DATASET becomes its name, DESCRIPTOR its path unless it is the project's own."""
    from qat.data.descriptor_file import read_descriptor

    data = config.DATASET
    path = find_descriptor(data.DESCRIPTOR or official_descriptor(expand(data.DATASET, "DATASET.DATASET"), data))
    descriptor = read_descriptor(path)
    if data.DESCRIPTOR and descriptor.name != data.DATASET:
        raise UserError(
            f"DATASET.DATASET is {data.DATASET} and DATASET.DESCRIPTOR {data.DESCRIPTOR} describes {descriptor.name}; "
            "leave DATASET.DESCRIPTOR out, or set it to ''"
        )
    own = built_in_descriptor(descriptor.name)
    data.DATASET = descriptor.name
    data.DESCRIPTOR = "" if own is not None and own.resolve() == path.resolve() else str(path.resolve())
    return descriptor


def _values(config: CfgNode, descriptor: Descriptor) -> dict[str, Any]:
    """Returns the values of DATASET's keys that aren't set."""
    from qat.models import normalisation

    (mean, std), streets = normalisation(config.MODEL.NAME), descriptor.streets
    return {
        "ROOT": descriptor.root,
        "NUM_CLASSES": len(descriptor.classes),
        "TRAIN_SET": descriptor.train,
        "TEST_SET": descriptor.val,
        "LABELS": "auto",
        "MEAN": list(descriptor.mean or mean),
        "STD": list(descriptor.std or std),
        "STREETS_TRAIN": streets and streets.train,
        "STREETS_VAL": streets and streets.val,
        "STREETS_SEED": streets and streets.seed,
    }


def _network_fit(name: str) -> str:
    from qat.models import default_fit

    return default_fit(name)


def _check_fit(config: CfgNode) -> None:
    """UserError for a letterbox around pictures whose results don't come back from it."""
    from qat.deploy.letterbox import LETTERBOX
    from qat.models import takes_letterbox

    if config.TEST.FIT == LETTERBOX and not takes_letterbox(config.MODEL.NAME):
        raise UserError(
            f"TEST.FIT is {LETTERBOX}, which is for detectors alone, and MODEL.NAME {config.MODEL.NAME} is none; "
            "set TEST.FIT pad or resize"
        )


def _check_classes(config: CfgNode, count: int) -> None:
    data = config.DATASET
    if count != data.NUM_CLASSES and data.LABELS != "trainIds":
        raise UserError(
            f"DATASET.NUM_CLASSES is {data.NUM_CLASSES} and data set {data.DATASET} has {count} classes; leave it out, "
            "or set DATASET.LABELS trainIds where the labels hold train ids of your own"
        )


def _node(config: CfgNode, key: str) -> tuple[CfgNode, str]:
    section, _, name = key.rpartition(".")
    return (config[section] if section else config), name
