"""Labels that say a pixel's class by its colour: colours become indices, and an unknown colour is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qat.data.descriptor import IGNORE
from qat.data.image_io import read_image
from qat.errors import UserError

_SHOWN = 3  # colours in a line


@dataclass(frozen=True)
class Colours:
    """The colours (RGB) of the classes, in their order, and those that are ignored."""

    classes: tuple[tuple[int, ...], ...]
    void: tuple[tuple[int, ...], ...] = ()

    def indices(self, picture: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        """Converts a picture to indices.

        Args:
            picture: (H, W, 3) RGB.
            path: its file, for the error.

        Returns:
            (H, W): the index of each pixel's class, 255 for an ignored colour.

        Raises:
            UserError: for colours that no class has and that aren't ignored.

        >>> road = Colours(classes=((128, 64, 128),), void=((0, 0, 0),))
        >>> road.indices(np.array([[[128, 64, 128], [0, 0, 0]]], np.uint8), Path("a.png")).tolist()
        [[0, 255]]
        """
        known = np.array([*self.classes, *self.void], np.int32) @ (1 << 16, 1 << 8, 1)
        meant = np.array([*range(len(self.classes)), *[IGNORE] * len(self.void)], np.uint8)
        order = np.argsort(known)
        codes = picture.astype(np.int32) @ np.array((1 << 16, 1 << 8, 1), np.int32)
        place = np.minimum(np.searchsorted(known[order], codes), len(known) - 1)
        wrong = known[order][place] != codes
        if wrong.any():
            raise UserError(f"label {path} has {_named(codes[wrong])}, which mean no class; {_EXPECTED}")
        found: NDArray[np.uint8] = meant[order][place]
        return found

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Reads a label file as (H, W) indices; UserError where it can't be read or has an unknown colour."""
        return self.indices(read_image(path), path)


_EXPECTED = "expected the descriptor's colours (a file without loss and without blended edges), or add them to it"


def _named(codes: NDArray[np.int32]) -> str:
    """The commonest of some colours, with their pixels.

    >>> _named(np.array([1, 256, 256], np.int32))
    'the colours [0, 1, 0] (2 pixels), [0, 0, 1] (1)'
    """
    values, counts = np.unique(codes, return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:_SHOWN]
    shown = [f"[{values[i] >> 16}, {values[i] >> 8 & 255}, {values[i] & 255}] ({counts[i]}" for i in commonest]
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"the colours {shown[0]} pixels){''.join(f', {one})' for one in shown[1:])}{more}"
