"""Pixels to normalised numbers, by a table with an entry for each value of each channel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray


def table(mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """(1, 256, C) float32: the normalised value of each uint8 value in each channel; float64, rounded once.

    >>> table([0.5], [0.5])[0, [0, 255], 0].tolist()
    [-1.0, 1.0]
    """
    values = np.arange(256, dtype=np.float64)[None, :, None] / 255
    normalised: NDArray[np.float32] = ((values - np.asarray(mean)) / np.asarray(std)).astype(np.float32)
    return normalised


def lookup(
    image: NDArray[np.uint8], lut: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Looks (H, W, C) uint8 up in `table`'s result -> (H, W, C) float32, written to `out` if it isn't None."""
    return cv2.LUT(image, lut, dst=out).reshape(image.shape)  # type: ignore[return-value]
