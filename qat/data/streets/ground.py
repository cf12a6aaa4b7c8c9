"""The ground: road with markings and rails, verges, pavements with kerbs, grass; every pixel by its place in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qat.data.streets import ids
from qat.data.streets.canvas import Canvas, Colour, Floats

Mask = NDArray[np.bool_]

_STRIPS = np.array(
    [ids.TERRAIN, ids.SIDEWALK, ids.TERRAIN, ids.ROAD, ids.TERRAIN, ids.SIDEWALK, ids.TERRAIN], dtype=np.uint8
)


@dataclass(frozen=True)
class Street:
    """Edges from left to right in metres (pavement, verge, road | road, verge, pavement) and what is painted on it."""

    edges: tuple[float, float, float, float, float, float]
    lane_lines: tuple[float, ...]
    rails: tuple[float, ...]
    crosswalk: float | None
    junction: tuple[float, float] | None
    asphalt: Colour
    paving: Colour
    grass: Colour
    tile: float


def paint_ground(canvas: Canvas, street: Street) -> None:
    """Paint everything below the horizon."""
    top, x, z = canvas.camera.ground()
    strip = np.searchsorted(np.asarray(street.edges), x)
    if street.junction is not None:
        strip = np.where((z > street.junction[0]) & (z < street.junction[1]), 3, strip)
    label = _STRIPS[strip]
    colour = _base(street, label)
    _pave(colour, street, x, z, label == ids.SIDEWALK)
    _kerb(colour, street, x, label == ids.SIDEWALK)
    road = label == ids.ROAD
    colour[_rails(street, x) & road] = (66, 62, 62)
    colour[_markings(street, x, z) & road] = (226, 226, 218)
    fade = np.exp(-z / canvas.visibility)[..., None].astype(np.float32)
    colour = colour * fade + np.asarray(canvas.haze, dtype=np.float32) * (1 - fade)
    canvas.image[top:] = np.clip(colour, 0, 255).astype(np.uint8)
    canvas.label[top:] = label


def _base(street: Street, label: NDArray[np.uint8]) -> NDArray[np.float32]:
    table = np.zeros((34, 3), dtype=np.float32)
    table[ids.ROAD], table[ids.SIDEWALK], table[ids.TERRAIN] = street.asphalt, street.paving, street.grass
    return table[label]


def _pave(colour: NDArray[np.float32], street: Street, x: Floats, z: Floats, pavement: Mask) -> None:
    tile = np.floor(x / street.tile) + np.floor(z / (1.6 * street.tile))
    colour[pavement & (tile % 2 == 0)] *= 0.93


def _kerb(colour: NDArray[np.float32], street: Street, x: Floats, pavement: Mask) -> None:
    for edge in street.edges[1:5]:
        colour[pavement & (np.abs(x - edge) < 0.22)] = (196, 194, 188)


def _rails(street: Street, x: Floats) -> Mask:
    rails: Mask = np.zeros(x.shape, dtype=bool)
    for centre in street.rails:
        rails |= np.abs(np.abs(x - centre) - 0.72) < 0.09
    return rails


def _markings(street: Street, x: Floats, z: Floats) -> Mask:
    left, right = street.edges[2], street.edges[3]
    dashes = (z % 7.0) < 3.6
    lines: Mask = (np.abs(x - left - 0.35) < 0.07) | (np.abs(x - right + 0.35) < 0.07)
    for line in street.lane_lines:
        lines |= (np.abs(x - line) < 0.09) & dashes
    if street.junction is not None:
        lines &= (z < street.junction[0]) | (z > street.junction[1])
    if street.crosswalk is not None:
        across = (z > street.crosswalk) & (z < street.crosswalk + 3.0)
        lines = np.where(across, (np.floor(x / 0.55) % 2 == 0) & (x > left + 0.3) & (x < right - 0.3), lines)
    return lines & (z < 70)
