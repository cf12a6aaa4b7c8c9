"""Defaults, then a YAML file, then KEY VALUE pairs; a wrong key or value names itself and the nearest right one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.config.checks import validate
from qat.config.complete import complete
from qat.config.defaults import _C, EXAMPLES
from qat.errors import UserError, nearest
from qat.files import read_yaml
from qat.resources import find_config

_EXAMPLE = "MODEL: {NAME: pidnet_s}"


def default_config() -> CfgNode:
    """A fresh, unfrozen copy of every key with its default, None for what a descriptor says."""
    return _C.clone()


def load_config(path: str | Path | None, opts: Sequence[str] = ()) -> CfgNode:
    """Read a config: defaults <- the data set's descriptor <- YAML file <- KEY VALUE pairs; frozen, with no key left
    unset.

    `path`: a YAML file, or a name such as camvid/pidnet_s (`qat.resources`). NAME becomes the file's stem unless it is
    set. Raises UserError for an unreadable file, an unknown key, a value of the wrong type or outside its choices, and
    for a value that contradicts the descriptor.

    >>> load_config("camvid/pidnet_s").DATASET.NUM_CLASSES
    11
    """
    cfg = default_config()
    file = None if path is None else find_config(path)
    if file is not None:
        _merge(cfg, _flatten(read_yaml(file, _EXAMPLE)), str(file))
    _merge(cfg, _pairs(opts), "options")
    cfg.NAME = cfg.NAME or (file.stem if file is not None else cfg.MODEL.NAME)
    complete(cfg)
    validate(dict(_flatten(cfg)), dict(_flatten(_C)))
    cfg.freeze()
    return cfg


def with_values(cfg: CfgNode, values: Mapping[str, Any]) -> CfgNode:
    """A frozen copy with other values.

    >>> with_values(load_config(None), {"QUANT.BACKEND": "fx"}).QUANT.BACKEND
    'fx'
    """
    other = cfg.clone()
    other.defrost()
    for key, value in values.items():
        _set(other, key, value)
    other.freeze()
    return other


def _set(cfg: CfgNode, key: str, value: Any) -> None:
    section, _, name = key.rpartition(".")
    (cfg[section] if section else cfg)[name] = value


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _pairs(opts: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(opts) % 2:
        raise UserError(f"options come as KEY VALUE pairs; {opts[-1]} has no value")
    return zip(opts[::2], opts[1::2], strict=True)


def _merge(cfg: CfgNode, items: Iterator[tuple[str, Any]], where: str) -> None:
    known = dict(_flatten(cfg))
    for key, value in items:
        if key not in known:
            raise UserError(f"unknown key {key} in {where}; {nearest(key, known)}")
        like = EXAMPLES.get(key, known[key])
        try:
            _set(cfg, key, copy.copy(like))  # yacs takes the type that is there for the one that is wanted
            cfg.merge_from_list([key, _widened(value, like)])
        except (ValueError, SyntaxError, TypeError) as error:
            expected = f"expected {type(like).__name__}, such as {like!r}"
            raise UserError(f"{key} in {where} is {value!r}; {expected}") from error


def _widened(value: Any, like: Any) -> Any:
    """A whole number becomes a float where one is expected (PERCENTILE 100)."""
    try:
        return float(int(str(value))) if isinstance(like, float) else value
    except (ValueError, OverflowError):
        return value
