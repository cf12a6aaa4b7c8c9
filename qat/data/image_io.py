"""Reads an image or a label map; every failure is a UserError with the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.picture_header import MOST_PIXELS, declared_size, has_palette, indices_as_grey, png_depth
from qat.errors import UserError


def read_image(path: Path, channels: int = 3) -> NDArray[np.uint8]:
    """An 8-bit image as (H, W, `channels`) uint8: RGB, or what a file of that many channels holds, in its order.

    With 3 channels grey images are repeated and alpha is dropped. A `.npy` file holds (H, W, channels), or (H, W) of
    one channel. A TIFF may have a page a channel. Raises UserError, with the path, for a file that is missing, damaged,
    not 8 bits a channel, or of another number of channels.
    """
    if path.suffix.lower() == ".npy":
        return _with_channels(_array(path), channels, path)
    if channels == 3:
        image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, "image")
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
        return image
    if channels == 1:
        return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH, "image")[:, :, None]
    if path.suffix.lower() in (".tif", ".tiff"):
        return _with_channels(_pages(path), channels, path)
    image = _decode(path, cv2.IMREAD_UNCHANGED, "image")
    order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(image.shape[2] if image.ndim == 3 else 1)
    return _with_channels(image if order is None else cv2.cvtColor(image, order), channels, path)


def _with_channels(image: NDArray[Any], channels: int, path: Path) -> NDArray[np.uint8]:
    image = image[:, :, None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[2] != channels or image.dtype != np.uint8:
        shape = "x".join(map(str, image.shape))
        expected = f"expected uint8, height x width x {channels}: DATASET.MEAN has a number a channel"
        raise UserError(f"image {path} holds {image.dtype} {shape}; {expected}")
    return np.ascontiguousarray(image)


def _array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header leads numpy to errors of Python's parser, or to want of memory
        reason = getattr(error, "strerror", None) or "damaged, or no array"
        raise UserError(f"can't read image {path}: {reason}; expected a .npy file of uint8") from error
    return array


def _pages(path: Path) -> NDArray[Any]:
    """The channels of a TIFF's pages, one after another."""
    _decode(path, cv2.IMREAD_UNCHANGED, "image")  # it says what is wrong
    _, pages = cv2.imdecodemulti(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    planes = [page[:, :, None] if page.ndim == 2 else page for page in pages]
    sizes = {page.shape[:2] for page in planes}
    if len(sizes) != 1:
        raise UserError(f"image {path} has pages of {len(sizes)} sizes; expected one size, a page a channel")
    return np.concatenate(planes, 2)


def channels_in(path: Path) -> int:
    """The channels of a `.npy` file or a TIFF; 3 for other pictures, as which grey ones are read too."""
    if path.suffix.lower() == ".npy":
        array = _array(path)
        return int(array.shape[2]) if array.ndim == 3 else 1
    return int(_pages(path).shape[2]) if path.suffix.lower() in (".tif", ".tiff") else 3


def rgb_view(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is shown of a picture (H, W, channels): the first three channels, one as grey.

    >>> rgb_view(np.zeros((2, 2, 8), np.uint8)).shape, rgb_view(np.zeros((2, 2, 1), np.uint8)).shape
    ((2, 2, 3), (2, 2, 3))
    """
    count = image.shape[2]
    if count == 1:
        return np.repeat(image, 3, 2)
    return image[:, :, :3] if count >= 3 else np.concatenate([image, np.zeros_like(image[:, :, :1])], 2)


def is_turned(path: Path) -> bool:
    """Whether `read_image` turns or mirrors a picture by its EXIF orientation, as no label map is."""
    data = _bytes(path, "image")
    if b"Exif" not in data and b"eXIf" not in data:
        return False
    shown, stored = _pixels(data, cv2.IMREAD_COLOR), _pixels(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return shown is not None and not np.array_equal(shown, stored)  # type: ignore[arg-type]


def read_label(path: Path) -> NDArray[np.uint8]:
    """An 8-bit one-channel label map as (H, W) uint8, the file's own values.

    PNGs of 1, 2 and 4 bits have their own values too, not these stretched to 255, and PNGs with a palette their
    indices, as public tools that write palettes mean them (CVAT's and Pascal VOC's masks). Raises UserError, with the
    path, for a file that is missing, damaged, coloured or not 8 bits a pixel.
    """
    data = _bytes(path, "label")
    label = _decoded(indices_as_grey(data) if has_palette(data) else data, cv2.IMREAD_UNCHANGED, "label", path)
    if label.ndim == 3:
        kind = f"has {label.shape[2]} channels (a colour picture, or a palette outside a PNG)"
        raise UserError(f"label {path} {kind}; expected one 8-bit grey channel that holds class indices")
    depth = png_depth(data)
    return label if depth == 8 else label // (255 // (2**depth - 1))


def _decode(path: Path, flags: int, kind: str) -> NDArray[Any]:
    return _decoded(_bytes(path, kind), flags, kind, path)


def _bytes(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"can't read {kind} {path}: {error.strerror or error}; check the path and its rights"
        ) from error


def _decoded(data: bytes, flags: int, kind: str, path: Path) -> NDArray[Any]:
    size = declared_size(data)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise UserError(
            f"{kind} {path} says that it has {size[0]}x{size[1]} pixels; at most {MOST_PIXELS >> 20} million are read: "
            "cut it into parts"
        )
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
