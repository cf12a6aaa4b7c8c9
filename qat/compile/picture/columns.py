"""Which column of the picture a step stands in: chains of steps stand straight below each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, count

from qat.compile.picture.links import readers_of
from qat.models import Branch
from qat.program.steps import Program

Chain = list[str]
JOINED = -1  # the group of all the joining branches, which stand below the others


def columns_of(
    program: Program, branches: Sequence[Branch], lanes: Mapping[str, int], ranks: Mapping[str, int]
) -> dict[str, int]:
    """Step name -> column, 0 at the left. No two steps share a column and a row.

    In each lane the longest chain is the trunk and the others take the nearest free columns on both sides of it. Lanes
    stand beside each other; what joins them stands below, under the trunk of the lane with the most steps.
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
    """Every step once, in chains: a step is followed by that of its readers from which the longest way leads on."""
    readers, ahead = readers_of(program), _ahead(program)
    chains: dict[str, Chain] = {}  # by its last step
    for step in program.steps:
        open_ends = [name for name in step.inputs if name in chains and groups[name] == groups[step.name]]
        source = next((name for name in open_ends if _heir(readers[name], ahead, groups, name) == step.name), None)
        chains[step.name] = [*(chains.pop(source) if source else []), step.name]
    return list(chains.values())


def _heir(readers: Sequence[str], ahead: Mapping[str, int], groups: Mapping[str, int], name: str) -> str:
    return max((reader for reader in readers if groups[reader] == groups[name]), key=ahead.__getitem__)


def _ahead(program: Program) -> dict[str, int]:
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
