"""Labels of objects in YOLO's format: a text file a picture, a line an object.

A line is `class x y width height`: the class's number from 0, the box's centre and size as shares of the picture's
sides. An empty file is a picture without objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qat.errors import UserError

COLUMNS = 5
_FORMAT = "lines such as: 2 0.5 0.4 0.1 0.3 (class, centre x and y, width, height as shares of the picture's sides)"


@dataclass(frozen=True, eq=False)
class BoxFile:
    """How such a file is read: as `qat.data.encodings.Encoding` reads a label of pixels."""

    name: str = "boxes"
    per_pixel: bool = False
    unit: str = "objects"

    def read(self, path: Path) -> NDArray[np.float32]:
        """(n, 5) float32: class, x1, y1, x2, y2 as shares of the sides; UserError for another format."""
        rows = [_row(line, number, path) for number, line in enumerate(_lines(path), 1) if line.split()]
        return _corners(np.array(rows, np.float32).reshape(-1, COLUMNS))

    def decode(self, boxes: NDArray[np.float32], num_classes: int, path: Path) -> NDArray[np.float32]:
        """The same boxes; UserError for a class that there isn't."""
        if len(boxes) and boxes[:, 0].max() >= num_classes:
            raise UserError(
                f"label {path} has an object of class {boxes[:, 0].max():.0f}; expected 0 to {num_classes - 1}, the "
                "classes of the data set's descriptor in their order"
            )
        return boxes

    @property
    def meaning(self) -> str:
        """What its values mean, for records."""
        return self.name


def write_boxes(path: Path, boxes: Iterable[tuple[int, float, float, float, float]]) -> None:
    """Writes (class, x1, y1, x2, y2) as shares of the sides."""
    rows = ((kind, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1) for kind, x1, y1, x2, y2 in boxes)
    lines = (f"{kind} " + " ".join(f"{value:.6f}" for value in values) + "\n" for kind, *values in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"can't read label {path}: {reason}; expected {_FORMAT}") from error


def _row(line: str, number: int, path: Path) -> list[float]:
    try:
        values = [float(cell) for cell in line.split()]
    except ValueError:
        values = []
    if len(values) != COLUMNS or not all(map(math.isfinite, values)) or values[0] < 0 or values[0] % 1:
        raise UserError(f"label {path}, line {number}, is {line.strip()[:60]}; expected {_FORMAT}")
    if min(values[1:]) < 0 or max(values[1:]) > 1 or not values[3] * values[4]:
        raise UserError(
            f"label {path}, line {number}: {line.strip()[:60]} isn't a box inside the picture; expected {_FORMAT}"
        )
    return values


def _corners(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    half = rows[:, 3:] / 2
    return np.column_stack([rows[:, :1], (rows[:, 1:3] - half).clip(0, 1), (rows[:, 1:3] + half).clip(0, 1)])
