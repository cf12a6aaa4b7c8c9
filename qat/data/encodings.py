"""How a label file's values become train ids, and how to tell that a file is in another encoding than it claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.labels import CAMVID_CLASSES, CAMVID_VOID, IGNORE, LABELID_TO_TRAINID
from qat.errors import UserError

_LAST_LABELID, _LAST_TRAINID = 33, 18
# labelIds that no class is trained on: as train ids they are road, sidewalk, building, sky and so on
_VOID_LABELIDS = frozenset(range(_LAST_TRAINID + 1)) - {int(v) for v in np.flatnonzero(LABELID_TO_TRAINID != IGNORE)}


@dataclass(frozen=True, eq=False)
class Encoding:
    """Values of a file -> train ids."""

    name: str
    table: NDArray[np.uint8]  # (256,) train id or 255 of each value
    legal: frozenset[int]  # values that a file may hold
    suspicion: Callable[[frozenset[int]], str]  # values of a file -> what it obviously is instead, or ""

    def decode(self, label: NDArray[np.uint8], num_classes: int, path: Path) -> NDArray[np.uint8]:
        """(H, W) values of the file `path` -> (H, W) train ids below `num_classes`, or 255; UserError otherwise."""
        values = present(label)
        if other := self.suspicion(values):
            raise UserError(
                f"label {path} obviously holds {other}, not {self.name}; rename it or set DATASET.LABELS {other}"
            )
        wrong = [v for v in sorted(values) if v not in self.legal or num_classes <= self.table[v] != IGNORE]
        if wrong:
            expected = f"expected {self.name} of {num_classes} classes, or {IGNORE} for ignored"
            raise UserError(f"label {path} holds class index {wrong[0]}, which is out of range; {expected}")
        return cv2.LUT(label, self.table)  # type: ignore[return-value]


def present(label: NDArray[np.uint8]) -> frozenset[int]:
    """The values that an (H, W) uint8 map holds."""
    histogram = cv2.calcHist([label], [0], None, [256], [0, 256])
    return frozenset(np.flatnonzero(histogram).tolist())


def holds_train_ids(values: frozenset[int]) -> str:
    """`trainIds` if a file of these values can't be labelIds: 255 or most train ids, nothing above 18, and void ids.

    Only strong evidence counts. Real labelIds never hold 255 without a vehicle (26 to 33) beside it (licence plates).
    """
    classes = values - {IGNORE}
    within = bool(classes) and max(classes) <= _LAST_TRAINID and bool(classes & _VOID_LABELIDS)
    return "trainIds" if within and (IGNORE in values or len(classes) >= 14) else ""


def holds_label_ids(values: frozenset[int]) -> str:
    """`labelIds` if a file of these values can't be train ids: it holds 19 to 33 and nothing above."""
    classes = values - {IGNORE}
    return "labelIds" if classes and _LAST_TRAINID < max(classes) <= _LAST_LABELID else ""


def train_ids(num_classes: int) -> Encoding:
    """Ready train ids, 255 ignored. With more than 19 classes they are the user's own and 19 is nothing strange."""
    suspicion = holds_label_ids if num_classes <= _LAST_TRAINID + 1 else _nothing
    return Encoding("trainIds", np.arange(256, dtype=np.uint8), frozenset(range(256)), suspicion)


def _nothing(values: frozenset[int]) -> str:
    return ""


LABEL_IDS = Encoding("labelIds", LABELID_TO_TRAINID, frozenset(range(_LAST_LABELID + 1)) | {IGNORE}, holds_train_ids)


def _camvid() -> Encoding:
    table = np.full(256, IGNORE, np.uint8)
    table[: len(CAMVID_CLASSES)] = np.arange(len(CAMVID_CLASSES))
    legal = frozenset(range(len(CAMVID_CLASSES))) | {CAMVID_VOID, IGNORE}
    return Encoding("CamVid class indices", table, legal, _nothing)


CAMVID_INDICES = _camvid()
