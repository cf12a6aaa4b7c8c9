"""Defaults, then a YAML file, then KEY VALUE pairs; a wrong key or value names itself and the nearest right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from qat.config.checks import validate
from qat.config.defaults import _C
from qat.errors import UserError, nearest


def default_config() -> CfgNode:
    """A fresh, unfrozen copy of every key with its default."""
    return _C.clone()


def load_config(path: str | Path | None, opts: Sequence[str] = ()) -> CfgNode:
    """Read a config: defaults <- YAML file <- KEY VALUE pairs; frozen. NAME becomes the file's stem unless it is set.

    Raises UserError for an unreadable file, an unknown key, a value of the wrong type or outside its choices.
    """
    cfg = default_config()
    if path is not None:
        _merge(cfg, _flatten(_read_yaml(Path(path))), str(path))
    _merge(cfg, _pairs(opts), "options")
    cfg.NAME = cfg.NAME or (Path(path).stem if path is not None else cfg.MODEL.NAME)
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
        section, _, name = key.rpartition(".")
        (other[section] if section else other)[name] = value
    other.freeze()
    return other


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read config {path}: {error.strerror}; see configs/ for ready ones") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no keys; expected a YAML mapping such as MODEL: {{NAME: pidnet_s}}")
    return tree


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
        try:
            cfg.merge_from_list([key, _widened(value, known[key])])
        except (ValueError, SyntaxError, TypeError) as error:
            expected = f"expected {type(known[key]).__name__}, such as {known[key]!r}"
            raise UserError(f"{key} in {where} is {value!r}; {expected}") from error


def _widened(value: Any, like: Any) -> Any:
    """A whole number becomes a float where one is expected (PERCENTILE 100)."""
    try:
        return float(int(str(value))) if isinstance(like, float) else value
    except (ValueError, OverflowError):
        return value
