"""The boxes that a detector finds, as a file that says a pose network where to look."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qat.evaluation.tasks.detection_boxes import PictureBoxes
from qat.files import atomic_path

FOUND = "boxes.json"


class FoundBoxes:
    """Keeps what a detector shows in each of `paths`, by the path below their common folder; `names`: of classes."""

    def __init__(self, paths: Sequence[Path], names: Sequence[str]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._common, self._names = os.path.commonpath([os.path.abspath(path.parent) for path in paths]), names

    def __call__(self, path: Path, found: object) -> None:
        """Takes a picture's boxes; what other tasks predict is passed over."""
        if isinstance(found, PictureBoxes):
            name = Path(os.path.relpath(path, self._common)).as_posix()
            self.rows += [{"file_name": name, **self._row(*box)} for box in found.shown.tolist()]

    def _row(self, x1: float, y1: float, x2: float, y2: float, score: float, kind: float) -> dict[str, Any]:
        box = [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]
        return {"bbox": box, "category": self._names[int(kind)], "score": round(score, 4)}


def write_found(file: Path, parts: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Writes all processes' rows, a line each, picture by picture."""
    rows = sorted((row for part in parts for row in part), key=lambda row: row["file_name"])
    with atomic_path(file) as aside:
        aside.write_text("[" + ",\n ".join(json.dumps(row) for row in rows) + "]\n", encoding="utf-8")
