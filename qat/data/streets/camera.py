"""A pinhole camera over flat ground: metres (x right, y up, z forward) to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NEAR = 1.2  # metres: what is nearer is clipped to this depth


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
