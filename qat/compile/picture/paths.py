"""Connections as SVG path data."""

from __future__ import annotations

from collections.abc import Sequence

from qat.compile.picture.sketch import Point

CORNER = 6  # radius of a bend


def path_of(corners: Sequence[Point]) -> str:
    """SVG path data along `corners` (upright and level parts in turn) with round bends.

    >>> path_of([(0, 0), (0, 20), (30, 20), (30, 40)])
    'M0 0L0 14Q0 20 6 20L24 20Q30 20 30 26L30 40'
    """
    path = f"M{_xy(corners[0])}"
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(CORNER, _length(before, corner) / 2, _length(corner, after) / 2)
        path += f"L{_xy(_towards(corner, before, radius))}Q{_xy(corner)} {_xy(_towards(corner, after, radius))}"
    return f"{path}L{_xy(corners[-1])}"


def _length(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: Point, end: Point, distance: float) -> Point:
    share = distance / (_length(start, end) or 1)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _xy(point: Point) -> str:
    return f"{point[0]:.5g} {point[1]:.5g}"
