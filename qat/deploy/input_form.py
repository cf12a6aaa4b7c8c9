"""A picture as a file takes it: scaled, normalised or raw, and padded; for boards, stage compiled and parity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.deploy.letterbox import Letterbox
from qat.deploy.normalise import lookup, table

Picture = NDArray[np.uint8]  # (H, W, channels)
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class InputForm:
    """`size`: of the input; `picture`: that a picture is scaled to before it is padded at the right and bottom to that.

    `mean`, `std`: of the channels / 255. `pixels`: raw uint8 in place of normalised float32. `letterbox`: a picture is
    scaled at its own aspect ratio, between grey bars.
    """

    size: Size
    picture: Size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pixels: bool = False
    letterbox: bool = False


def fitted(picture: Picture, form: InputForm) -> NDArray[Any]:
    """A picture as a batch of one.

    Args:
        picture: (H, W, channels) uint8 of any size.
        form: what the file takes.

    Returns:
        (1, channels, height, width), contiguous: float32, normalised and padded with zeros, the mean colour; or uint8,
        padded with the level nearest to it.

    Example:
        >>> form = InputForm((8, 8), (4, 8), (0.2, 0.4, 0.6), (0.25,) * 3, pixels=True)
        >>> fitted(np.full((2, 4, 3), 7, np.uint8), form)[0, :, 3:5, 0].tolist()
        [[7, 51], [7, 102], [7, 153]]
    """
    scaled = _scaled(picture, form)
    if form.pixels:
        whole = _padded(scaled, form.size, [round(255 * part) for part in form.mean])
    else:
        whole = _padded(lookup(scaled, table(form.mean, form.std)), form.size, [0.0] * len(form.mean))
    return np.ascontiguousarray(whole.transpose(2, 0, 1)[None])


def _scaled(picture: Picture, form: InputForm) -> Picture:
    height, width = form.picture
    if form.letterbox:
        return Letterbox((picture.shape[0], picture.shape[1]), form.picture).fill(picture)
    if picture.shape[:2] == (height, width):
        return picture
    scaled = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return scaled.reshape(height, width, -1)


def _padded(image: NDArray[Any], size: Sequence[int], colour: Sequence[float]) -> NDArray[Any]:
    if image.shape[:2] == tuple(size):
        return image
    whole = np.empty((*size, image.shape[2]), image.dtype)
    whole[:] = np.asarray(colour, image.dtype)
    whole[: image.shape[0], : image.shape[1]] = image
    return whole
