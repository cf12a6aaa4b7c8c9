"""Where everything in the picture of a network stands, in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qat.compile.picture.columns import columns_of
from qat.compile.picture.lanes import lanes_of
from qat.compile.picture.ranks import ranks_of
from qat.compile.picture.sketch import Box, Point, Sketch
from qat.compile.picture.tracks import Link
from qat.models import Branch
from qat.program.steps import Program


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
