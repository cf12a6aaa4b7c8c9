"""What the labels of a set hold: pixels of each class, ignored ones, and whether any counts at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qat.data.box_file import BoxFile
from qat.data.descriptor import IGNORE
from qat.data.encodings import AnyEncoding, Encoding, present
from qat.data.person_label import PersonLabel
from qat.data.segmentation import SegmentationDataset
from qat.errors import UserError

_SHOWN = 12  # values and names in a line
_HELD = {  # by unit: what was read, and how a class is in it
    "pixels": "label of the {} that were read has a pixel of",
    "objects": "label of the {} that were read has an object of",
    "points": "label of the {} that were read has the point",
    "pictures": "picture of the {} that were read is of class",
}


@dataclass(frozen=True)
class LabelCounts:
    """The pixels of each class (`pixels`), or objects, and the label files that hold it (`files`), in their order.

    `ignored`: pixels that neither losses nor scores count. `read`: label files that were read.
    """

    names: tuple[str, ...]
    pixels: tuple[int, ...]
    files: tuple[int, ...]
    ignored: int
    read: int
    unit: str = "pixels"  # what `pixels` counts: as the encoding says


def count_labels(dataset: SegmentationDataset, indices: Iterable[int]) -> LabelCounts:
    """Counts the labels of some pictures; UserError for a label that can't be used."""
    classes = len(dataset.class_names)
    pixels, files, read = np.zeros(256, np.int64), np.zeros(256, np.int64), 0
    indices = list(indices)
    units = {dataset.encodings[index].unit for index in indices} or {"pixels"}
    for index in indices:
        counts = np.bincount(_values(dataset.label(index), dataset.encodings[index]), minlength=256)
        pixels, files, read = pixels + counts, files + (counts > 0), read + 1
    own, unit = slice(0, classes), min(units)  # one kind of labels a set
    counted, held = tuple(pixels[own].tolist()), tuple(files[own].tolist())
    return LabelCounts(dataset.class_names, counted, held, int(pixels[IGNORE]) if unit == "pixels" else 0, read, unit)


def _values(label: NDArray[Any], encoding: AnyEncoding) -> NDArray[np.int64]:
    """The classes that a label has, one for each of what counts."""
    if isinstance(encoding, PersonLabel):
        return np.flatnonzero(label[:, 2])
    classes: NDArray[np.int64] = (label[:, 0] if isinstance(encoding, BoxFile) else label.reshape(-1)).astype(np.int64)
    return classes


def require_classes(dataset: SegmentationDataset, indices: Sequence[int], key: str) -> None:
    """Raises UserError if every pixel of the pictures' labels is ignored, or if they have no object.

    The first label that counts is the last read.

    `key`: what names the pictures, such as DATASET.TEST_SET val. Pictures without labels pass.
    """
    values: set[int] = set()
    for index in indices:
        entry, encoding = dataset.entries[index], dataset.encodings[index]
        if entry.label is None or _counts(dataset.label(index), encoding):
            return
        if isinstance(encoding, Encoding):
            values |= present(encoding.read(entry.label))
    if not values:
        raise UserError(f"the {len(indices)} labels of {key} have no object; give pictures with objects")
    raise UserError(
        f"every pixel of the {len(indices)} labels of {key} is ignored: {listed(sorted(values))} mean no class as "
        f"{encoding.name}; set DATASET.LABELS, or write a descriptor whose classes have these ids"
    )


def _counts(label: NDArray[Any], encoding: AnyEncoding) -> bool:
    """Whether a label has a pixel of a class, or an object."""
    return bool((label != IGNORE).any()) if encoding.per_pixel else len(label) > 0


def remarks(counts: LabelCounts) -> list[str]:
    """Returns what to know before an mIoU over these labels is believed, a line each."""
    absent = [name for name, pixels in zip(counts.names, counts.pixels, strict=True) if not pixels]
    found: list[str] = []
    if absent and counts.read:
        found.append(
            f"no {_HELD[counts.unit].format(counts.read)} {listed(absent)}"
            + (f"; {counts.ignored} pixels are ignored (255 is always)" if counts.ignored else "")
        )
    if len(counts.names) == 1 and counts.unit == "pixels":
        found.append("there is one class: each pixel is right whatever the network gives; name what is around it too")
    return found


def listed(things: Sequence[object]) -> str:
    """The things in a line, the first dozen by name.

    >>> listed(range(20))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more'
    """
    more = f" and {len(things) - _SHOWN} more" if len(things) > _SHOWN else ""
    return ", ".join(map(str, things[:_SHOWN])) + more
