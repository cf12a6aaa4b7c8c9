"""A stage's figures in one file, with what they were measured on: metrics.json and manifest.json are copies of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qat.errors import UserError
from qat.files import read_json, restored, sha256_text, write_json
from qat.stages.folders import FIGURES

_DIGEST = "digest"


@dataclass(frozen=True)
class Figures:
    """A stage's `metrics`, its folder's `record`, and the resolved `config`.

    `checkpoint`: the SHA-256 of the stage's own weights and scales; "" for a stage without. `measured_on`: what
    identifies pictures and labels, by name.
    """

    metrics: Mapping[str, Any]
    record: Mapping[str, Any]
    config: str
    checkpoint: str = ""
    measured_on: Mapping[str, str] = field(default_factory=dict)


def write_figures(folder: Path, figures: Figures) -> None:
    """Write the figures, whole or not at all."""
    content = asdict(figures)
    write_json(folder / FIGURES, content | {_DIGEST: _digest(content)})


def read_figures(folder: Path) -> Figures | None:
    """Returns a folder's figures; None where there are none, or an older version's, which lie in metrics.json alone.

    Raises UserError where the file is damaged.
    """
    path = restored(folder) / FIGURES
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.pop(_DIGEST, None) != _digest(content):
        raise UserError(f"{path} is damaged (its content isn't what was written); delete it and evaluate again")
    return Figures(**content)


def _digest(content: Mapping[str, Any]) -> str:
    return sha256_text(json.dumps(content, sort_keys=True))
