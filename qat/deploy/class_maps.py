"""Logits at a fraction of a picture's size to the class of each pixel, without full-size logits, in numpy.

Bilinear interpolation is a convex combination of four corner logits: where one class is the largest at all four, it is
the largest in between. Only the pixels between corners of different classes are interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Classes: TypeAlias = NDArray[np.uint8]
Pixels: TypeAlias = NDArray[np.intp]

CHUNK = 1 << 14  # pixels that are interpolated at a time


@dataclass(frozen=True)
class Axis:
    """Of each pixel along one side: the sample before it, the one after, and the share (0 to 1) of the second."""

    before: Pixels
    after: Pixels
    share: Floats


def classes_of(
    output: NDArray[Any], size: Sequence[int], align_corners: bool = False, canvas: Sequence[int] | None = None
) -> Classes:
    """The class of each pixel of one picture.

    Args:
        output: logits (classes, h, w), or classes (h, w) of a file that ends in an argmax.
        size: height and width of the result.
        align_corners: how logits are interpolated, as in torch's `interpolate`.
        canvas: height and width that the output spans, where the picture was padded; the result is its top left.

    Returns:
        (height, width); of equal logits the first class.

    Example:
        >>> classes_of(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), (1, 4)).tolist()
        [[0, 0, 1, 1]]
    """
    height, width = canvas or size
    if output.ndim == 2:
        whole = np.asarray(output, np.uint8)
        if whole.shape != (height, width):
            whole = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
        return whole[: size[0], : size[1]]
    logits = np.ascontiguousarray(output, np.float32)
    rows, columns = (axis(*pair, align_corners) for pair in zip(logits.shape[1:], (height, width), strict=True))
    return _upsampled(logits, rows, columns)[: size[0], : size[1]]


@lru_cache(maxsize=16)
def axis(samples: int, pixels: int, align_corners: bool) -> Axis:
    """Where pixels lie between samples, in float32 as torch computes it."""
    position = np.arange(pixels, dtype=np.float32)
    if align_corners:
        position *= np.float32((samples - 1) / (pixels - 1) if pixels > 1 else 0)
    else:
        position = np.maximum((position + np.float32(0.5)) * np.float32(samples / pixels) - np.float32(0.5), 0)
    before = np.minimum(position.astype(np.intp), samples - 1)
    share = np.clip(position - before, 0, 1).astype(np.float32)
    return Axis(before, np.minimum(before + 1, samples - 1), share)


def _upsampled(logits: Floats, rows: Axis, columns: Axis) -> Classes:
    corner = logits.argmax(0).astype(np.uint8)
    result: Classes = corner[rows.before][:, columns.before]
    mixed = _mixed(corner)[rows.before][:, columns.before]
    for y, x in _chunks(mixed):
        result[y, x] = _interpolated(logits, y, x, rows, columns).argmax(0)
    return result


def _mixed(corner: Classes) -> NDArray[np.bool_]:
    """Which cells of a class map (h, w) have corners of different classes."""
    padded = np.pad(corner, ((0, 1), (0, 1)), mode="edge")
    right, below, across = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    mixed: NDArray[np.bool_] = (corner != right) | (corner != below) | (corner != across)
    return mixed


def _chunks(mask: NDArray[np.bool_]) -> Iterator[tuple[Pixels, Pixels]]:
    y, x = np.nonzero(mask)
    for start in range(0, len(y), CHUNK):
        yield y[start : start + CHUNK], x[start : start + CHUNK]


def _interpolated(logits: Floats, y: Pixels, x: Pixels, rows: Axis, columns: Axis) -> Floats:
    """Logits (classes, n) at n pixels."""
    left, right = columns.before[x], columns.after[x]
    top, bottom, down, across = rows.before[y], rows.after[y], rows.share[y], columns.share[x]
    start = _between(logits[:, top, left], logits[:, bottom, left], down)
    end = _between(logits[:, top, right], logits[:, bottom, right], down)
    return _between(start, end, across)


def _between(first: Floats, second: Floats, share: Floats) -> Floats:
    result: Floats = first + share * (second - first)
    return result
