"""Where everything stands from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qat.compile.picture.across import Across, across, ports_of
from qat.compile.picture.down import Span
from qat.compile.picture.links import links_of
from qat.compile.picture.tracks import Cell, Link, Track, tracks_of
from qat.models import Branch
from qat.program.steps import Program


@dataclass(frozen=True)
class Sideways:
    """A program with its lanes (step name -> index of its branch) and cells (step name -> column and row): its x."""

    program: Program
    branches: Sequence[Branch]
    lanes: Mapping[str, int]
    cells: Mapping[str, Cell]

    @cached_property
    def links(self) -> list[Link]:
        """(source, target) of every connection."""
        return links_of(self.program)

    @cached_property
    def tracks(self) -> dict[Link, Track]:
        """Where the connections that pass rows run down."""
        return tracks_of(self.links, self.cells)

    @cached_property
    def at(self) -> Across:
        """x of columns and tracks."""
        streets = {first for first, _ in self.lane_columns.values()}
        return across(1 + max(column for column, _ in self.cells.values()), set(self.tracks.values()), streets)

    @cached_property
    def ports(self) -> dict[Link, float]:
        """x at which each connection ends."""
        return ports_of(self.links, self.cells, self.tracks, self.at)

    def moves(self, link: Link) -> list[tuple[int, Span]]:
        """(row, (from x, to x)): where `link` goes sideways, below which rows."""
        first, last = self.cells[link[0]][1], self.cells[link[1]][1] - 1
        start, end = self.at.middle(self.cells[link[0]][0]), self.ports[link]
        if link not in self.tracks:
            return [(first, (start, end))]
        track = self.at.x(self.tracks[link])
        return [(first, (start, track)), (last, (track, end))]

    @cached_property
    def lane_columns(self) -> dict[int, tuple[int, int]]:
        """Lane -> its first and last column, for the lanes that stand beside each other."""
        beside = {lane for lane in self.lanes.values() if not self.branches[lane].joins}
        own = {lane: [self.cells[name][0] for name in self.lanes if self.lanes[name] == lane] for lane in beside}
        return {lane: (min(columns), max(columns)) for lane, columns in own.items()}
