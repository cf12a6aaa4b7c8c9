"""The places of everything in the picture of a network, in pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, count

from qat.compile.picture.cells import Cell, Link, Track, columns_of, lanes_of, links_of, ranks_of, tracks_of
from qat.models import Branch
from qat.program.steps import Program, Step

WIDTH = 148  # of a column
INSET, SLOT = 12, 8  # from a column to the first track beside it, and between tracks
STREET = 12  # more room between lanes
PORT = 14  # between the ends of connections at one step
GAP, LEVEL = 14, 8  # between rows without and for each level of connections
HEADING = 46  # above a lane's first row
Span = tuple[float, float]
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


@dataclass(frozen=True)
class Layout:
    """The picture's size, step name -> its box, (source, target) -> its corners, and the lanes with their boxes.

    A connection's corners start at the bottom of its source and end at the top of its target; its parts are upright or
    level, and none crosses a box.
    """

    width: float
    height: float
    boxes: Mapping[str, Box]
    links: Mapping[Link, Sequence[Point]]
    lanes: Sequence[tuple[Branch, Box]]


def layout(program: Program) -> Layout:
    """Rows by longest path, columns by chain within each branch's lane, connections between them."""
    branches, lanes = lanes_of(program)
    ranks = ranks_of(program, branches, lanes)
    columns = columns_of(program, branches, lanes, ranks)
    sketch = Sketch(program, branches, lanes, {name: (columns[name], ranks[name]) for name in lanes})
    links = {link: sketch.corners(link) for link in sketch.links}
    shown = [(branch, sketch.lane(index)) for index, branch in enumerate(branches) if index in lanes.values()]
    return Layout(sketch.at.width, sketch.down.height, sketch.boxes, links, shown)


def height_of(step: Step) -> float:
    """The height of a step's box."""
    return HEAVY if step.weight else LIGHT


@dataclass(frozen=True)
class Sketch:
    """A program with its lanes (step name -> index of its branch) and cells (step name -> column and row), in pixels.

    x comes first; y needs the levels below rows, which need x.
    """

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


@dataclass(frozen=True)
class Down:
    """y of each row's upper edge and its height; `height` of all."""

    tops: Sequence[float]
    heights: Sequence[float]
    height: float

    def bottom(self, row: int) -> float:
        """y of a row's lower edge."""
        return self.tops[row] + self.heights[row]

    def level(self, row: int, level: int) -> float:
        """y of a level below a row."""
        return self.bottom(row) + GAP / 2 + LEVEL * (level + 0.5)


def down(heights: Sequence[float], levels: Sequence[int], headed: Collection[int]) -> Down:
    """`levels`: how many each row has below it; `headed`: the rows that have a heading above them."""
    tops: list[float] = []
    y = 0.0
    for row, height in enumerate(heights):
        y += HEADING * (row in headed)
        tops.append(y)
        y += height + GAP + LEVEL * levels[row]
    return Down(tops, heights, y)


def levels_of(moves: Mapping[str, Span]) -> dict[str, int]:
    """Source -> level, 0 at the top, for spans (left, right) of x; those at one level don't touch; short ones first."""
    levels: dict[str, int] = {}
    for source in sorted(moves, key=lambda name: moves[name][1] - moves[name][0]):
        taken = {level for name, level in levels.items() if _touch(moves[source], moves[name])}
        levels[source] = next(level for level in count() if level not in taken)
    return levels


def _touch(first: Span, second: Span, margin: float = 12) -> bool:
    return first[0] < second[1] + margin and second[0] < first[1] + margin
