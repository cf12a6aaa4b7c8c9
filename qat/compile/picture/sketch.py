"""From cells (column, row) to pixels: boxes, corners of connections, lanes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from qat.compile.picture.across import WIDTH
from qat.compile.picture.down import HEADING, Down, Span, down, levels_of
from qat.compile.picture.sideways import Sideways
from qat.compile.picture.tracks import Link
from qat.program.steps import Step

Point = tuple[float, float]

HEAVY, LIGHT = 46, 32  # heights of a step with and without weights
PAD, SPACE = 10, 4  # from a lane's edge to its steps and to the next lane


@dataclass(frozen=True)
class Box:
    """A rectangle; x and y are those of its upper left corner."""

    x: float
    y: float
    width: float
    height: float


def height_of(step: Step) -> float:
    """The height of a step's box."""
    return HEAVY if step.weight else LIGHT


@dataclass(frozen=True)
class Sketch(Sideways):
    """y of everything, which needs the levels below rows, which need x."""

    @cached_property
    def levels(self) -> list[dict[str, int]]:
        """For each row: source -> the level below that row at which it goes sideways."""
        spans: list[dict[str, Span]] = [{} for _ in range(self.rows)]
        for link in self.links:
            for row, move in self.moves(link):
                ends = (*move, *spans[row].get(link[0], move))
                if move[0] != move[1]:
                    spans[row][link[0]] = (min(ends), max(ends))
        return [levels_of(row) for row in spans]

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return 1 + max(row for _, row in self.cells.values())

    @cached_property
    def down(self) -> Down:
        """y of rows and levels."""
        heights = [0.0] * self.rows
        for step in self.program.steps:
            row = self.cells[step.name][1]
            heights[row] = max(heights[row], height_of(step))
        counts = [1 + max(levels.values(), default=-1) for levels in self.levels]
        return down(heights, counts, {min(self.lane_rows(lane)) for lane in set(self.lanes.values())})

    @cached_property
    def boxes(self) -> dict[str, Box]:
        """Step name -> its box."""
        return {step.name: self.box(step) for step in self.program.steps}

    def box(self, step: Step) -> Box:
        """A step stands in the middle of its cell."""
        column, row = self.cells[step.name]
        height = height_of(step)
        return Box(self.at.columns[column], self.down.tops[row] + (self.down.heights[row] - height) / 2, WIDTH, height)

    def corners(self, link: Link) -> list[Point]:
        """The corners of a connection."""
        source, target = (self.boxes[name] for name in link)
        points = [(source.x + WIDTH / 2, source.y + source.height)]
        for row, (start, end) in self.moves(link):
            if start != end:
                y = self.down.level(row, self.levels[row][link[0]])
                points += [(start, y), (end, y)]
        return [*points, (self.ports[link], target.y)]

    def lane_rows(self, lane: int) -> set[int]:
        """The rows in which a lane has its steps; lanes beside each other share theirs."""
        together = {lane} if self.branches[lane].joins else set(self.lane_columns)
        return {self.cells[name][1] for name, own in self.lanes.items() if own in together}

    def lane(self, lane: int) -> Box:
        """The box behind a lane, up to the next lane; a joining lane is as wide as the picture."""
        rows = self.lane_rows(lane)
        first, last = self.lane_columns.get(lane, (0, len(self.at.columns) - 1))
        left = self.at.columns[first] - PAD if first else 0
        right = self.at.columns[last + 1] - PAD - SPACE if last + 1 < len(self.at.columns) else self.at.width
        top = self.down.tops[min(rows)] - HEADING
        return Box(left, top, right - left, self.down.bottom(max(rows)) + PAD - top)
