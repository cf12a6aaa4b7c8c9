"""From columns and tracks to x in pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from qat.compile.picture.tracks import Cell, Link, Track

WIDTH = 148  # of a column
INSET, SLOT = 12, 8  # from a column to the first track beside it, and between tracks
STREET = 12  # more room between lanes
PORT = 14  # between the ends of connections at one step


@dataclass(frozen=True)
class Across:
    """x of each column's and of each gutter's left edge; the last gutter is right of the last column."""

    columns: Sequence[float]
    gutters: Sequence[float]
    width: float

    def middle(self, column: int) -> float:
        """x of a column's middle."""
        return self.columns[column] + WIDTH / 2

    def x(self, track: Track) -> float:
        """x of a track."""
        if track.slot is None:
            return self.middle(track.column)
        return self.gutters[track.column] + INSET + SLOT * track.slot


def across(columns: int, tracks: Collection[Track], streets: Collection[int]) -> Across:
    """Gutters are as wide as their tracks need; `streets`: those between lanes."""
    slots = [0] * (columns + 1)
    for track in tracks:
        slots[track.column] = max(slots[track.column], track.slot or 0)
    widths = [2 * INSET + SLOT * count + STREET * (gutter in streets) for gutter, count in enumerate(slots)]
    ends = list(accumulate(width + WIDTH for width in widths))
    starts = [end - WIDTH - width for end, width in zip(ends, widths, strict=True)]
    return Across([end - WIDTH for end in ends[:columns]], starts, ends[-1] - WIDTH)


def ports_of(
    links: Collection[Link], cells: Mapping[str, Cell], tracks: Mapping[Link, Track], at: Across
) -> dict[Link, float]:
    """(source, target) -> x at which it ends: the middle if it comes straight down, else at the side it comes from."""
    come = {link: at.x(tracks.get(link, Track(cells[link[0]][0]))) for link in links}
    arrivals: dict[str, list[Link]] = {}
    for link in sorted(links, key=lambda link: abs(come[link] - at.middle(cells[link[1]][0]))):
        arrivals.setdefault(link[1], []).append(link)
    return {
        link: at.middle(cells[target][0]) + offset
        for target, own in arrivals.items()
        for link, offset in zip(own, _offsets([come[link] - at.middle(cells[target][0]) for link in own]), strict=True)
    }


def _offsets(distances: Sequence[float]) -> list[float]:
    """Places around the middle for connections that come from `distances` left (< 0) or right of it; nearest first."""
    sides = [(distance > 0) - (distance < 0) for distance in distances]
    step = min(PORT, (WIDTH / 2 - 6) / max(sides.count(-1), sides.count(1), 1))
    return [side * step * sides[: index + 1].count(side) for index, side in enumerate(sides)]
