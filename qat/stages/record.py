"""The record of a stage's folder: what it was made from, by which versions, on which machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qat.environment import environment
from qat.files import read_json, write_json, write_text
from qat.origin import Origin
from qat.stages.folders import CONFIG, MANIFEST

STANDARD = ("stage", "made_from", "engine", "backend", "environment")  # written by every stage


def read_record(folder: Path) -> dict[str, Any]:
    """Returns the folder's manifest; {} if it has none."""
    path = folder / MANIFEST
    return dict(read_json(path)) if path.is_file() else {}


def write_record(folder: Path, stage: str, config: str, origin: Origin, more: Mapping[str, Any]) -> None:
    """Write config.yaml (resolved) and manifest.json (what the stage was made from, machine, `more`)."""
    write_text(folder / CONFIG, config)
    record = {"stage": stage, "made_from": dict(origin.values), **more, "environment": environment()}
    write_json(folder / MANIFEST, record)


def previous_record(folder: Path) -> dict[str, Any]:
    """Returns what the stage recorded beside the standard keys (images, rewrites); {} before its first run."""
    return {key: value for key, value in read_record(folder).items() if key not in STANDARD}


def is_current(folder: Path, origin: Origin) -> bool:
    """Whether the folder's record says that it was made from `origin`."""
    record = read_record(folder)
    return bool(record) and origin.difference(record["made_from"]) is None
