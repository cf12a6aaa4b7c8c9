"""Label encodings: how a file's values become train ids, and how to notice that a file has another encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.box_file import BoxFile
from qat.data.class_folder import ClassFolder
from qat.data.coloured_label import Colours
from qat.data.descriptor import BOXES, FOLDERS, IGNORE, LABEL_IDS, TRAIN_IDS, Descriptor
from qat.data.image_io import read_label
from qat.data.person_label import PersonLabel
from qat.errors import UserError

AUTO = "auto"  # by the file's name, where a data set comes in both encodings
LABELS = (AUTO, LABEL_IDS, TRAIN_IDS)


@dataclass(frozen=True, eq=False)
class Encoding:
    """Values of a file -> train ids."""

    name: str
    table: NDArray[np.uint8]  # (256,) train id or 255 of each value
    legal: frozenset[int]  # values that a file may hold
    suspicion: Callable[[frozenset[int]], str]  # values of a file -> the encoding that it obviously has instead, or ""
    colours: Colours | None = None  # of files that say the class by its colour
    per_pixel: bool = True  # a label has a value for each of its picture's pixels
    unit: str = "pixels"  # what has a class

    @property
    def meaning(self) -> str:
        """What its values mean, for records."""
        return f"{self.name} {self.table.tobytes().hex()}{self.colours or ''}"

    def read(self, path: Path) -> NDArray[np.uint8]:
        """The values (H, W) of a file; of coloured ones the classes' indices."""
        return read_label(path) if self.colours is None else self.colours.read(path)

    def decode(self, label: NDArray[np.uint8], num_classes: int, path: Path) -> NDArray[np.uint8]:
        """(H, W) values of the file `path` -> (H, W) train ids below `num_classes`, or 255; UserError otherwise."""
        values = present(label)
        if actual := self.suspicion(values):
            raise UserError(
                f"label {path} obviously holds {actual}, not {self.name}; rename it or set DATASET.LABELS {actual}"
            )
        wrong = [v for v in sorted(values) if v not in self.legal or num_classes <= self.table[v] != IGNORE]
        if wrong:
            expected = f"expected {self.name} of {num_classes} classes, or {IGNORE} for ignored"
            raise UserError(f"label {path} holds class index {wrong[0]}, which is out of range; {expected}")
        return cv2.LUT(label, self.table)  # type: ignore[return-value]


AnyEncoding: TypeAlias = Encoding | BoxFile | ClassFolder | PersonLabel


def present(label: NDArray[np.uint8]) -> frozenset[int]:
    """The values that an (H, W) uint8 map holds."""
    histogram = cv2.calcHist([label], [0], None, [256], [0, 256])
    return frozenset(np.flatnonzero(histogram).tolist())


def encoding_of(label: Path | None, labels: str, descriptor: Descriptor, num_classes: int) -> AnyEncoding:
    """The encoding that DATASET.LABELS names, or with `auto` the one that the file's name says."""
    if BOXES in descriptor.encodings:
        return BoxFile()
    if FOLDERS in descriptor.encodings:
        return ClassFolder(descriptor.class_set.names)
    if descriptor.coloured and labels != TRAIN_IDS:
        return by_colour(descriptor)
    by_name = labels == AUTO and label is not None and _has_both(descriptor)
    if labels == TRAIN_IDS or (by_name and "TrainIds" in label.name):  # type: ignore[union-attr]
        return train_ids(descriptor, num_classes)
    if by_name and LABEL_IDS not in label.name:  # type: ignore[union-attr]
        raise UserError(f"the name of label {label} tells no encoding; set DATASET.LABELS to labelIds or trainIds")
    return label_ids(descriptor)


def label_ids(descriptor: Descriptor) -> Encoding:
    """The data set's own ids; its void ids and 255 are ignored, where no class has them."""
    table = np.full(256, IGNORE, np.uint8)
    for train_id, one in enumerate(descriptor.classes):
        table[list(one.ids)] = train_id
    suspicion = partial(holds_train_ids, descriptor) if _has_both(descriptor) else no_suspicion
    name = LABEL_IDS if _has_both(descriptor) else f"{descriptor.name} ids"
    return Encoding(name, table, _known(descriptor) | {IGNORE}, suspicion)


def by_colour(descriptor: Descriptor) -> Encoding:
    """Colours of the classes; void colours are ignored."""
    colours = Colours(tuple(one.colour for one in descriptor.classes), descriptor.void_colours)
    known = frozenset(range(len(descriptor.classes))) | {IGNORE}
    return Encoding(f"{descriptor.name} colours", np.arange(256, dtype=np.uint8), known, no_suspicion, colours)


def train_ids(descriptor: Descriptor, num_classes: int) -> Encoding:
    """Train ids as they are, 255 ignored. More of them than the data set has classes are the user's own."""
    own = num_classes > len(descriptor.classes) or not _has_both(descriptor)
    suspicion = no_suspicion if own else partial(holds_label_ids, descriptor)
    return Encoding(TRAIN_IDS, np.arange(256, dtype=np.uint8), frozenset(range(256)), suspicion)


def holds_train_ids(descriptor: Descriptor, values: frozenset[int]) -> str:
    """`trainIds` if a file of these values can't be labelIds: 255 or most train ids, none above the last, and void ids.

    Only strong evidence counts. Real labelIds of Cityscapes never hold 255 without a vehicle (26 to 33) beside it
    (licence plates).
    """
    classes, count = values - {IGNORE}, len(descriptor.classes)
    void = frozenset(range(count)) - _class_ids(descriptor)
    within = bool(classes) and max(classes) < count and bool(classes & void)
    return TRAIN_IDS if within and (IGNORE in values or len(classes) > 0.7 * count) else ""


def holds_label_ids(descriptor: Descriptor, values: frozenset[int]) -> str:
    """`labelIds` if a file of these values can't be train ids: it holds ids above the last of them, none unknown."""
    classes = values - {IGNORE}
    return LABEL_IDS if classes and len(descriptor.classes) <= max(classes) <= max(_known(descriptor)) else ""


def _has_both(descriptor: Descriptor) -> bool:
    return len(descriptor.labels) > 1


def _class_ids(descriptor: Descriptor) -> frozenset[int]:
    return frozenset(value for one in descriptor.classes for value in one.ids)


def _known(descriptor: Descriptor) -> frozenset[int]:
    return _class_ids(descriptor) | frozenset(descriptor.void)


def no_suspicion(values: frozenset[int]) -> str:
    """The `suspicion` of an encoding whose values may be anything."""
    return ""
