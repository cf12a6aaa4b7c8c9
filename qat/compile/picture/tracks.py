"""Where a connection that passes rows of steps runs down: between the columns, or down a column that is empty there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

Cell = tuple[int, int]  # column, row
Link = tuple[str, str]  # source, target


@dataclass(frozen=True)
class Track:
    """An upright line: the `slot`th in the gutter left of `column`, or the middle of that column where it is None."""

    column: int
    slot: int | None = None


def tracks_of(links: Iterable[Link], cells: Mapping[str, Cell]) -> dict[Link, Track]:
    """(source, target) -> its track, for those that pass at least one row; short ones choose first.

    Connections of one source may share a track; those of different sources never lie on each other.
    """
    streets = _Streets(cells)
    passing = [link for link in links if _rows(link, cells) > 1]
    return {link: streets.take(link) for link in sorted(passing, key=lambda link: _rows(link, cells))}


def _rows(link: Link, cells: Mapping[str, Cell]) -> int:
    return cells[link[1]][1] - cells[link[0]][1]


class _Streets:
    """Who runs where. Half rows: row r's steps stand at 2 r, and the space below them is 2 r + 1."""

    def __init__(self, cells: Mapping[str, Cell]) -> None:
        self.cells = cells
        self.owners = {(Track(x), 2 * y + below): name for name, (x, y) in cells.items() for below in (0, 1)}

    def take(self, link: Link) -> Track:
        """The best free track for `link`, which is then its source's."""
        source, target = link
        halves = range(2 * self.cells[source][1] + 1, 2 * self.cells[target][1])
        track = next(track for track in self._candidates(link) if self._is_free(track, halves, source))
        self.owners |= {(track, half): source for half in halves}
        return track

    def _is_free(self, track: Track, halves: range, source: str) -> bool:
        return all(self.owners.get((track, half), source) == source for half in halves)

    def _candidates(self, link: Link) -> Iterable[Track]:
        start, end = (self.cells[name][0] for name in link)
        yield from (Track(end), Track(start))
        gutters = (end,) if start < end else (end + 1,) if start > end else (end + 1, end)
        yield from (Track(gutter, slot) for slot in count() for gutter in gutters)
