"""Reads an image or a label map; every failure is a UserError with the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.errors import UserError


def read_image(path: Path) -> NDArray[np.uint8]:
    """An 8-bit image as (H, W, 3) RGB uint8; grey images are repeated over the channels, alpha is dropped.

    Raises UserError, with the path, for a file that is missing, damaged or not 8 bits a channel.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, "image")
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return image


def read_label(path: Path) -> NDArray[np.uint8]:
    """An 8-bit one-channel label map as (H, W) uint8, the file's own values.

    Raises UserError, with the path, for a file that is missing, damaged, coloured or not 8 bits a pixel.
    """
    label = _decode(path, cv2.IMREAD_UNCHANGED, "label")
    if label.ndim == 3:
        kind = f"has {label.shape[2]} channels (a colour or palette picture)"
        raise UserError(f"label {path} {kind}; expected one 8-bit grey channel that holds class indices")
    return label


def _decode(path: Path, flags: int, kind: str) -> NDArray[Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"can't read {kind} {path}: {error.strerror or error}; check the path and its rights"
        ) from error
    pixels = _pixels(data, flags)
    if pixels is None:
        raise UserError(
            f"{kind} {path} is empty, damaged or no picture format known here; expected a whole PNG or JPEG"
        )
    if pixels.dtype != np.uint8:
        bits = 8 * pixels.dtype.itemsize
        raise UserError(f"{kind} {path} has {bits} bits a channel; expected 8 (of Cityscapes, instanceIds are 16-bit)")
    return pixels


def _pixels(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # no bytes at all
        return None
