"""From rows and levels to y in pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

GAP, LEVEL = 14, 8  # between rows without and for each level of connections
HEADING = 46  # above a lane's first row
Span = tuple[float, float]


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


def _touch(one: Span, other: Span, margin: float = 12) -> bool:
    return one[0] < other[1] + margin and other[0] < one[1] + margin
