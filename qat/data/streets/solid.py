"""Boxes that stand on the ground at any heading, and their four walls."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from qat.data.streets.canvas import NEAR, Canvas, Colour, Floats, shade


@dataclass(frozen=True)
class Frame:
    """Where a thing stands (metres) and where it heads (radians, 0: away from the camera, positive: to the right)."""

    x: float
    z: float
    heading: float = 0.0

    def place(self, local: ArrayLike) -> Floats:
        """(..., 3) metres (ahead, to its right, up) to (..., 3) metres of the world."""
        corner = np.asarray(local, dtype=np.float64)
        ahead, right = corner[..., 0], corner[..., 1]
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        world = np.empty(corner.shape)
        world[..., 0] = self.x + ahead * sin + right * cos
        world[..., 1] = corner[..., 2]
        world[..., 2] = self.z + ahead * cos - right * sin
        return world


@dataclass(frozen=True)
class Face:
    """A wall by its corners (4, 3): bottom left, bottom right, top right, top left as seen from outside."""

    name: str
    corners: Floats

    def at(self, shares: ArrayLike) -> Floats:
        """(..., 2) shares of its width and height to (..., 3) metres."""
        share = np.asarray(shares, dtype=np.float64)
        s, t = share[..., :1], share[..., 1:]
        low: Floats = self.corners[0] * (1 - s) + self.corners[1] * s
        high: Floats = self.corners[3] * (1 - s) + self.corners[2] * s
        place: Floats = low * (1 - t) + high * t
        return place

    def patch(self, left: float, bottom: float, right: float, top: float) -> Floats:
        """(4, 3) corners of a rectangle on the wall, in shares of its width and height."""
        return self.at([(left, bottom), (right, bottom), (right, top), (left, top)])

    def patches(self, count: int, left: float, bottom: float, right: float, top: float, fill: float = 0.8) -> Floats:
        """(count, 4, 3): a row of equal rectangles, each `fill` of its pitch wide."""
        pitch = (right - left) / count
        starts = left + pitch * (np.arange(count) + (1 - fill) / 2)
        rows = np.empty((count, 4, 2))
        rows[:, (0, 3), 0], rows[:, (1, 2), 0] = starts[:, None], (starts + pitch * fill)[:, None]
        rows[:, :2, 1], rows[:, 2:, 1] = bottom, top
        return self.at(rows)


def ring(length: float, width: float, up: float, ahead: float = 0.0) -> Floats:
    """(4, 3) local corners at one height: rear left, rear right, front right, front left."""
    front, rear, half = ahead + length / 2, ahead - length / 2, width / 2
    return np.array([(rear, -half, up), (rear, half, up), (front, half, up), (front, -half, up)])


def visible_faces(canvas: Canvas, frame: Frame, low: Floats, high: Floats) -> list[Face]:
    """The walls between two rings that the camera sees."""
    bottom, top = frame.place(low), frame.place(high)
    faces = []
    for index, name in enumerate(("rear", "right", "front", "left")):
        after = (index + 1) % 4
        corners = np.stack([bottom[index], bottom[after], top[after], top[index]])
        if corners[:, 2].min() > NEAR and _turns_to_camera(canvas, corners):
            faces.append(Face(name, corners))
    return faces


def _turns_to_camera(canvas: Canvas, corners: Floats) -> bool:
    first, second, third = canvas.camera.project(corners[:3])
    a, b = second - first, third - second
    return bool(a[0] * b[1] - a[1] * b[0] < -0.5)


def paint_prism(canvas: Canvas, frame: Frame, low: Floats, high: Floats, colour: Colour, label: int) -> list[Face]:
    """Paint the solid between two rings, its walls by where the light comes from; give the walls that are seen."""
    canvas.hull(frame.place(np.concatenate([low, high])), shade(colour, 1.12), label)
    faces = visible_faces(canvas, frame, low, high)
    for face in faces:
        canvas.shape(face.corners, shade(colour, _brightness(canvas, face)), label)
    return faces


def _brightness(canvas: Canvas, face: Face) -> float:
    run = face.corners[1] - face.corners[0]
    return float(0.9 + 0.16 * canvas.sun * -run[2] / (np.hypot(run[0], run[2]) + 1e-9))


def paint_shadow(mask: np.ndarray, canvas: Canvas, frame: Frame, length: float, width: float) -> None:
    """Darken `mask` (H, W) uint8 under a thing of this size."""
    pixels = canvas.camera.project(frame.place(ring(length * 1.06, width * 1.15, 0.0)))
    cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], (150,))
