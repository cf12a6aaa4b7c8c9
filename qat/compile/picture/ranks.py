"""Which row of the picture a step stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qat.compile.picture.links import readers_of
from qat.models import Branch
from qat.program.steps import Program


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
