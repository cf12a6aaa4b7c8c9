"""What streets are painted with: a picture and its labels, the camera that sees them, and colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[np.uint8]

_SHIFT = 4  # outlines have 1/16 pixel
_LIMIT = 30000  # pixels: keeps OpenCV's fixed point from overflowing
_CIRCLE = np.stack([np.cos(np.arange(20) * np.pi / 10), np.sin(np.arange(20) * np.pi / 10)], axis=-1)

Floats = NDArray[np.float64]

NEAR = 1.2  # metres: what is nearer is clipped to this depth
Colour = tuple[float, float, float]
Palette = Sequence[Colour]

BLACK: Colour = (22, 22, 25)
WHITE: Colour = (238, 238, 234)
GLASS: Colour = (58, 74, 92)
TYRE: Colour = (28, 28, 30)
CHROME: Colour = (178, 182, 188)
SKIN: Palette = ((236, 196, 166), (206, 156, 120), (150, 104, 76), (98, 66, 50))


@dataclass(frozen=True)
class Canvas:
    """`image` (H, W, 3) RGB and `label` (H, W) labelIds, seen by `camera` through `haze` (`visibility` in m).

    `thing` (H, W): the number of what painted each pixel's label, which is `number` now; 0 for what isn't numbered.
    `people`: by number, where each person's points were painted, (points, 2) pixels.
    """

    image: Pixels
    label: Pixels
    thing: NDArray[np.uint16]
    camera: Camera
    haze: Colour
    visibility: float
    sun: float  # -1 from the left, +1 from the right
    number: int = 0
    people: dict[int, Floats] = field(default_factory=dict)

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
            cv2.fillPoly(self.thing, outlines, (self.number,), cv2.LINE_8, _SHIFT)

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


@dataclass(frozen=True)
class Camera:
    """Picture size and focal length in pixels, vanishing point in pixels, height over the ground in metres.

    A small yaw or pitch is a shift of the vanishing point: verticals stay vertical.
    """

    width: int
    height: int
    focal: float
    centre: float
    horizon: float
    above: float

    def project(self, points: ArrayLike) -> Floats:
        """(..., 3) metres to (..., 2) pixels."""
        metres = np.asarray(points, dtype=np.float64)
        scale = self.focal / np.maximum(metres[..., 2], NEAR)
        pixels = np.empty((*metres.shape[:-1], 2))
        pixels[..., 0] = self.centre + metres[..., 0] * scale
        pixels[..., 1] = self.horizon + (self.above - metres[..., 1]) * scale
        return pixels

    def scale(self, depth: float) -> float:
        """Pixels per metre at `depth` metres."""
        return self.focal / max(depth, NEAR)

    def ground(self) -> tuple[int, Floats, Floats]:
        """First row below the horizon, and x (rows, W), z (rows, 1) in metres of every ground pixel."""
        top = max(0, int(np.floor(self.horizon)) + 1)
        rows = np.arange(top, self.height, dtype=np.float64)[:, None] + 0.5
        depth = self.focal * self.above / (rows - self.horizon)
        columns = np.arange(self.width, dtype=np.float64)[None, :] + 0.5
        return top, (columns - self.centre) * depth / self.focal, depth


def choose_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """A camera for a (width, height) picture: a dashboard 1.4 to 2.1 m high, 70 to 80 degrees wide."""
    width, height = size
    return Camera(
        width,
        height,
        focal=width * rng.uniform(0.60, 0.70),
        centre=width * rng.uniform(0.42, 0.58),
        horizon=height * rng.uniform(0.38, 0.47),
        above=rng.uniform(1.4, 2.1),
    )


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` times `factor`, at most 255."""
    r, g, b = colour
    return min(255.0, r * factor), min(255.0, g * factor), min(255.0, b * factor)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` (0..1) of `second`."""
    (a, b, c), (d, e, f) = first, second
    return a + (d - a) * share, b + (e - b) * share, c + (f - c) * share


def pick(rng: np.random.Generator, palette: Palette, spread: float = 14.0) -> Colour:
    """A colour of the palette with each channel moved by up to `spread`."""
    base = palette[int(rng.integers(len(palette)))]
    r, g, b = (min(255.0, max(0.0, c + d)) for c, d in zip(base, rng.uniform(-spread, spread, 3).tolist(), strict=True))
    return r, g, b
