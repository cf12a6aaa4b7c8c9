"""Where steps stand in the picture of a program, in columns and rows, and where connections run between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

from qat.models import Branch, branches_of
from qat.program.steps import Program, Step

Cell = tuple[int, int]  # column, row
Link = tuple[str, str]  # source, target
Chain = list[str]
JOINED = -1  # the group of all the joining branches, which stand below the others
WHOLE = (Branch("Network", "", ()),)


def readers_of(program: Program) -> dict[str, list[str]]:
    """Step name -> the steps that read it, in program order, each once."""
    readers: dict[str, list[str]] = {step.name: [] for step in program.steps}
    for source, target in links_of(program):
        readers[source].append(target)
    return readers


def links_of(program: Program) -> list[tuple[str, str]]:
    """(source, target) of every connection, once where a step reads a tensor twice, in program order."""
    return [(source, step.name) for step in program.steps for source in dict.fromkeys(step.inputs)]


def lanes_of(program: Program) -> tuple[tuple[Branch, ...], dict[str, int]]:
    """The lanes, and step name -> index of its lane; one lane for a network without known branches.

    A step outside every branch (an addition in the network's own `forward`) stands where all its inputs stand; where
    they differ, or it has none, where its first reader stands. A step that reads a joining branch is part of one.
    """
    branches = branches_of(step.module for step in program.steps)
    if not branches:
        return WHOLE, {step.name: 0 for step in program.steps}
    known = {step.name: lane for step in program.steps if (lane := _named(step, branches)) is not None}
    ahead = _lanes_ahead(program, known)
    lanes: dict[str, int] = {}
    for step in program.steps:
        lane = known.get(step.name, _inferred(step, lanes, ahead))
        joined = max((lanes[name] for name in step.inputs if branches[lanes[name]].joins), default=lane)
        lanes[step.name] = lane if branches[lane].joins else joined
    return branches, lanes


def _named(step: Step, branches: Sequence[Branch]) -> int | None:
    attribute = step.module.split(".")[0]
    return next((index for index, branch in enumerate(branches) if attribute in branch.attributes), None)


def _inferred(step: Step, lanes: Mapping[str, int], ahead: Mapping[str, int]) -> int:
    before = {lanes[name] for name in step.inputs}
    return before.pop() if len(before) == 1 else ahead.get(step.name, min(before, default=0))


def _lanes_ahead(program: Program, known: Mapping[str, int]) -> dict[str, int]:
    """Step name -> lane of the step itself or, where it has none, of the first step that reads it and has one."""
    readers, ahead = readers_of(program), dict(known)
    for step in reversed(program.steps):
        later = [ahead[name] for name in readers[step.name] if name in ahead]
        if later:
            ahead.setdefault(step.name, later[0])
    return ahead


def ranks_of(program: Program, branches: Sequence[Branch], lanes: Mapping[str, int]) -> dict[str, int]:
    """Step name -> row, 0 at the top; every step stands below everything that it reads.

    Rows are longest paths from the inputs. Joining branches start below the last row of those beside each other.
    Last, a step that only its own module reads moves down to its reader, so that modules stay together.
    """
    joins = {name for name, lane in lanes.items() if branches[lane].joins}
    beside = _longest(program, {})
    floor = 1 + max((rank for name, rank in beside.items() if name not in joins), default=-1)
    return _gathered(program, lanes, _longest(program, dict.fromkeys(joins, floor)))


def _longest(program: Program, floors: Mapping[str, int]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for step in program.steps:
        ranks[step.name] = max([floors.get(step.name, 0), *(ranks[name] + 1 for name in step.inputs)])
    return ranks


def _gathered(program: Program, lanes: Mapping[str, int], ranks: dict[str, int]) -> dict[str, int]:
    home = {step.name: (lanes[step.name], step.module.split(".")[0]) for step in program.steps}
    readers = readers_of(program)
    for step in reversed(program.steps):
        name = step.name
        if step.module and readers[name] and {home[reader] for reader in readers[name]} == {home[name]}:
            ranks[name] = min(ranks[reader] for reader in readers[name]) - 1
    return ranks


def columns_of(
    program: Program, branches: Sequence[Branch], lanes: Mapping[str, int], ranks: Mapping[str, int]
) -> dict[str, int]:
    """Step name -> column, 0 at the left. No two steps share a column and a row.

    In each lane the longest chain is the trunk and the others take the nearest free columns on both sides of it. Lanes
    stand beside each other; joining branches stand below, under the trunk of the lane with the most steps.
    """
    groups = {name: JOINED if branches[lane].joins else lane for name, lane in lanes.items()}
    chains = _chains(program, groups)
    columns: dict[str, int] = {}
    trunks: dict[int, int] = {}
    for group in sorted(set(groups.values()) - {JOINED}):
        placed = _placed([chain for chain in chains if groups[chain[0]] == group], program, ranks)
        trunks[group] = max(columns.values(), default=-1) + 1 - min(placed.values())
        columns |= {name: column + trunks[group] for name, column in placed.items()}
    steps = Counter(group for group in groups.values() if group != JOINED)
    middle = trunks.get(max(steps, key=steps.__getitem__, default=JOINED), 0)
    joined = _placed([chain for chain in chains if groups[chain[0]] == JOINED], program, ranks)
    columns |= {name: max(middle, -min(joined.values())) + column for name, column in joined.items()}
    return columns


def _chains(program: Program, groups: Mapping[str, int]) -> list[Chain]:
    """Every step once, in chains: after a step comes the reader with the longest way to the end."""
    readers, ahead = readers_of(program), _steps_ahead(program)
    chains: dict[str, Chain] = {}  # by its last step
    for step in program.steps:
        open_ends = [name for name in step.inputs if name in chains and groups[name] == groups[step.name]]
        source = next((name for name in open_ends if _heir(readers[name], ahead, groups, name) == step.name), None)
        chains[step.name] = [*(chains.pop(source) if source else []), step.name]
    return list(chains.values())


def _heir(readers: Sequence[str], ahead: Mapping[str, int], groups: Mapping[str, int], name: str) -> str:
    return max((reader for reader in readers if groups[reader] == groups[name]), key=ahead.__getitem__)


def _steps_ahead(program: Program) -> dict[str, int]:
    """Step name -> steps on the longest way from it to the end."""
    readers, ahead = readers_of(program), dict[str, int]()
    for step in reversed(program.steps):
        ahead[step.name] = 1 + max((ahead[name] for name in readers[step.name]), default=0)
    return ahead


def _placed(chains: Sequence[Chain], program: Program, ranks: Mapping[str, int]) -> dict[str, int]:
    """Step name -> column, 0 for the longest chain and to both sides of it for the others."""
    columns: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    for steps in sorted(chains, key=lambda steps: ranks[steps[0]] - ranks[steps[-1]]):
        rows = range(ranks[steps[0]], ranks[steps[-1]] + 1)
        near = next((columns[name] for name in program[steps[0]].inputs if name in columns), 0)
        outwards = chain.from_iterable((near + far, near - far) for far in count())
        column = next(column for column in outwards if taken.isdisjoint((column, row) for row in rows))
        taken |= {(column, row) for row in rows}
        columns |= dict.fromkeys(steps, column)
    return columns


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
    """Which connection has which track. Half rows: row r's steps stand at 2 r, and the space below them is 2 r + 1."""

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
