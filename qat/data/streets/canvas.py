"""Where things are painted: a picture and its labels, always by the same outline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from qat.data.streets.camera import Camera, Floats
from qat.data.streets.colours import Colour, mix

Pixels = NDArray[np.uint8]

_SHIFT = 4  # outlines have 1/16 pixel
_LIMIT = 30000  # pixels: keeps OpenCV's fixed point from overflowing
_CIRCLE = np.stack([np.cos(np.arange(20) * np.pi / 10), np.sin(np.arange(20) * np.pi / 10)], axis=-1)


@dataclass(frozen=True)
class Canvas:
    """`image` (H, W, 3) RGB and `label` (H, W) labelIds, seen by `camera` through `haze` (`visibility` in m)."""

    image: Pixels
    label: Pixels
    camera: Camera
    haze: Colour
    visibility: float
    sun: float  # -1 from the left, +1 from the right

    def hazed(self, colour: Colour, depth: float) -> Colour:
        """`colour` as it looks at `depth` metres."""
        return mix(colour, self.haze, 1.0 - math.exp(-depth / self.visibility))

    def polygon(self, points: ArrayLike, colour: Colour, label: int | None, depth: float) -> None:
        """Fill (n, 2) or k disjoint (k, n, 2) outlines in pixels; `label` None keeps the label below (a detail)."""
        pixels = np.minimum(np.maximum(points, -_LIMIT), _LIMIT)
        fixed = np.rint((pixels - 0.5) * (1 << _SHIFT)).astype(np.int32)
        outlines = list(fixed) if fixed.ndim == 3 else [fixed]
        cv2.fillPoly(self.image, outlines, self.hazed(colour, depth), cv2.LINE_AA, _SHIFT)
        if label is not None:
            cv2.fillPoly(self.label, outlines, (label,), cv2.LINE_8, _SHIFT)

    def shape(self, points: ArrayLike, colour: Colour, label: int | None = None) -> None:
        """Fill (n, 3) or k disjoint (k, n, 3) outlines in metres."""
        metres = np.asarray(points, dtype=np.float64)
        self.polygon(self.camera.project(metres), colour, label, _depth(metres))

    def hull(self, points: ArrayLike, colour: Colour, label: int | None = None) -> None:
        """Fill the outline of the solid whose corners are (n, 3) metres."""
        metres = np.asarray(points, dtype=np.float64)
        pixels = cv2.convexHull(self.camera.project(metres).astype(np.float32))[:, 0]
        self.polygon(pixels, colour, label, _depth(metres))

    def discs(self, centres: Floats, radii: Floats, colours: Sequence[Colour], label: int) -> None:
        """Fill (n, 3) discs of (n,) radii, one after another."""
        outlines = np.empty((len(centres), len(_CIRCLE), 3))
        outlines[..., :2] = centres[:, None, :2] + radii[:, None, None] * _CIRCLE
        outlines[..., 2] = centres[:, None, 2]
        for outline, colour, depth in zip(self.camera.project(outlines), colours, centres[:, 2], strict=True):
            self.polygon(outline, colour, label, float(depth))

    def disc(
        self, centre: ArrayLike, radius: float, colour: Colour, label: int | None = None, squeeze: float = 1
    ) -> None:
        """Fill a disc that faces the camera, `squeeze` times as wide as high; metres."""
        self.shape(circle(centre, radius, squeeze), colour, label)


def circle(centre: ArrayLike, radius: float, squeeze: float = 1.0) -> Floats:
    """(20, 3) points around `centre`, facing the camera."""
    points = np.empty((len(_CIRCLE), 3))
    points[:] = centre
    points[:, :2] += _CIRCLE * (radius * squeeze, radius)
    return points


def upright(x: float, z: float, outline: ArrayLike, stretch: float = 1.0) -> Floats:
    """(..., 2) metres (to the right, up) on a board that stands at (x, z) and faces the camera, as (..., 3) metres."""
    flat = np.asarray(outline, dtype=np.float64)
    points = np.empty((*flat.shape[:-1], 3))
    points[..., 0], points[..., 1], points[..., 2] = x + flat[..., 0] * stretch, flat[..., 1], z
    return points


def _depth(metres: Floats) -> float:
    return float(metres[..., 2].sum()) / (metres.size // 3)


def rectangle(left: float, bottom: float, right: float, top: float) -> list[tuple[float, float]]:
    """The four corners of an upright rectangle."""
    return [(left, bottom), (right, bottom), (right, top), (left, top)]
