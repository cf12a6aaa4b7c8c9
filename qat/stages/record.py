"""What a stage's folder was made from: its state says it, or its figures; the files beside them are copies of those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qat.environment import environment
from qat.errors import UserError
from qat.files import json_text, known_sha256, read_json, restored, sweep, text_of, write_json, write_text
from qat.origin import Origin
from qat.stages.figures import Figures, read_figures
from qat.stages.folders import CHECKPOINTS, CONFIG, MANIFEST, METRICS

STANDARD = ("stage", "made_from", "engine", "backend", "environment")  # written by every stage


def record_of(stage: str, origin: Origin, more: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of manifest.json: what the stage was made from, machine, `more`."""
    return {"stage": stage, "made_from": dict(origin.values), **more, "environment": environment()}


def write_record(folder: Path, stage: str, config: str, origin: Origin, more: Mapping[str, Any]) -> None:
    """Write config.yaml (resolved) and manifest.json into a folder that is replaced as a whole."""
    write_text(folder / CONFIG, config)
    write_json(folder / MANIFEST, record_of(stage, origin, more))


def read_record(folder: Path) -> dict[str, Any]:
    """Returns what a folder was made from; {} where nothing is.

    manifest.json is asked only where neither a state nor figures say it: in a folder that is replaced as a whole, or an
    older version's.
    """
    views = _views(restored(folder))
    if MANIFEST in views:
        return dict(json.loads(views[MANIFEST]))
    figures, path = current_figures(folder), folder / MANIFEST
    if figures is not None:
        return dict(figures.record)
    return _file_record(path) if path.is_file() else {}


def read_view(folder: Path, name: str) -> dict[str, Any]:
    """Returns a JSON file that is written out of the folder's state; {} where there is none."""
    views, path = _views(folder), folder / name
    if name in views:
        return dict(json.loads(views[name]))
    return _mapping(path) if path.is_file() else {}


def previous_record(folder: Path) -> dict[str, Any]:
    """Returns what the stage recorded beside the standard keys (images, rewrites); {} before its first run."""
    return {key: value for key, value in read_record(folder).items() if key not in STANDARD}


def is_current(folder: Path, origin: Origin) -> bool:
    """Whether the folder's record says that it was made from `origin`."""
    record = read_record(folder)
    return bool(record) and origin.difference(record["made_from"]) is None


def current_figures(folder: Path) -> Figures | None:
    """Returns the figures of the state that the folder has now; None where there are none."""
    figures = read_figures(folder)
    return figures if figures is not None and figures.checkpoint == checkpoint_digest(folder) else None


def checkpoint_digest(folder: Path) -> str:
    """Returns the SHA-256 of the folder's state; "" for a stage without."""
    path = _checkpoint(folder)
    return "" if path is None else known_sha256(path)


def write_views(folder: Path) -> None:
    """Write out what the state and the figures hold into the files beside them, where those say something else.

    What a killed run left there goes.
    """
    sweep(folder.absolute())
    views, figures = dict(_views(folder)), current_figures(folder)
    if figures is not None:
        views |= {CONFIG: figures.config, MANIFEST: json_text(figures.record), METRICS: json_text(figures.metrics)}
    for name, text in views.items():
        if text_of(folder / name) != text:
            write_text(folder / name, text)


def _checkpoint(folder: Path) -> Path | None:
    return next((path for name in CHECKPOINTS.values() if (path := folder / name).is_file()), None)


def _views(folder: Path) -> Mapping[str, str]:
    """The files that the folder's state holds, by name."""
    path = _checkpoint(folder)
    if path is None:
        return {}
    from qat.backends.calibration import recorded  # here, so that the command line's --help doesn't wait for torch

    return recorded(path).views


def _file_record(path: Path) -> dict[str, Any]:
    """The content of a manifest; UserError for a file of another structure."""
    record = _mapping(path)
    if not isinstance(record.get("made_from"), dict):
        raise UserError(f"{path} doesn't say what the stage was made from; delete it and run the stage again")
    return record


def _mapping(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no names and values; delete it and run the stage again")
    return content
