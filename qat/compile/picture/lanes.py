"""Which lane of the picture a step stands in: its branch of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qat.compile.picture.links import readers_of
from qat.models import Branch, branches_of
from qat.program.steps import Program, Step

WHOLE = (Branch("Network", "", ()),)


def lanes_of(program: Program) -> tuple[tuple[Branch, ...], dict[str, int]]:
    """The lanes, and step name -> index of its lane; one lane for a network without known branches.

    A step outside every branch (an addition in the network's own `forward`) stands where all its inputs stand; where
    they differ, or it has none, where its first reader stands. What reads a joining branch is part of one.
    """
    branches = branches_of(step.module for step in program.steps)
    if not branches:
        return WHOLE, {step.name: 0 for step in program.steps}
    known = {step.name: lane for step in program.steps if (lane := _named(step, branches)) is not None}
    ahead = _ahead(program, known)
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


def _ahead(program: Program, known: Mapping[str, int]) -> dict[str, int]:
    """Step name -> lane of the step itself or, where it has none, of the first step that reads it and has one."""
    readers, ahead = readers_of(program), dict(known)
    for step in reversed(program.steps):
        later = [ahead[name] for name in readers[step.name] if name in ahead]
        if later:
            ahead.setdefault(step.name, later[0])
    return ahead
