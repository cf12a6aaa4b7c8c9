from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings

from qat.compile.picture.layout import Box, Layout, Point, layout
from qat.program.steps import Program
from tests.compile.picture.programs import pidnet, programs, step

Line = tuple[Point, Point]


def overlap(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def lines(placed: Layout, link: tuple[str, str]) -> list[Line]:
    return list(zip(placed.links[link], placed.links[link][1:], strict=False))


def box_of(line: Line) -> Box:
    (x0, y0), (x1, y1) = line
    return Box(min(x0, x1), min(y0, y1), abs(x0 - x1), abs(y0 - y1))


def lie_on_each_other(one: Line, other: Line) -> bool:
    """Whether two lines of one direction share more than a point."""
    a, b = box_of(one), box_of(other)
    if a.width == b.width == 0:
        return a.x == b.x and a.y < b.y + b.height and b.y < a.y + a.height
    return a.height == b.height == 0 and a.y == b.y and a.x < b.x + b.width and b.x < a.x + a.width


@given(programs())
@settings(deadline=None)
def test_no_two_steps_overlap_and_all_lie_in_the_picture(program: Program) -> None:
    placed = layout(program)
    assert placed.boxes.keys() == program.by_name.keys()
    assert not any(overlap(one, other) for one, other in combinations(placed.boxes.values(), 2))
    for box in placed.boxes.values():
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= placed.width
        assert box.y + box.height <= placed.height


@given(programs())
@settings(deadline=None)
def test_connections_join_their_steps_downwards_and_cross_none(program: Program) -> None:
    placed = layout(program)
    assert set(placed.links) == {(source, step.name) for step in program.steps for source in step.inputs}
    for (source, target), corners in placed.links.items():
        start, end = placed.boxes[source], placed.boxes[target]
        assert corners[0] == (start.x + start.width / 2, start.y + start.height)
        assert end.x < corners[-1][0] < end.x + end.width
        assert corners[-1][1] == end.y
        for line in lines(placed, (source, target)):
            assert line[0][0] == line[1][0] or line[0][1] == line[1][1]
            assert line[0][1] <= line[1][1]
            assert not any(overlap(box_of(line), box) for box in placed.boxes.values())


@given(programs())
@settings(deadline=None)
def test_connections_of_different_steps_never_lie_on_each_other(program: Program) -> None:
    placed = layout(program)
    for one, other in combinations(placed.links, 2):
        if one[0] != other[0]:
            pairs = [(a, b) for a in lines(placed, one) for b in lines(placed, other)]
            assert not any(lie_on_each_other(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def placed() -> Layout:
    return layout(pidnet())


def test_branches_stand_beside_each_other_and_what_joins_them_below(placed: Layout) -> None:
    lanes = {branch.name: box for branch, box in placed.lanes}
    assert list(lanes) == ["P", "I", "D", "Fusion", "Head"]
    assert lanes["P"].x + lanes["P"].width < lanes["I"].x
    assert lanes["I"].x + lanes["I"].width < lanes["D"].x
    assert lanes["P"].y == lanes["I"].y == lanes["D"].y
    assert lanes["D"].y + lanes["D"].height < lanes["Fusion"].y
    assert lanes["Fusion"].y + lanes["Fusion"].height < lanes["Head"].y
    assert not any(overlap(one, other) for one, other in combinations(lanes.values(), 2))


@pytest.mark.parametrize(
    ("lane", "names"),
    [
        ("P", "detail detail_sum pag"),
        ("I", "image stem deep pyramid resized"),
        ("D", "edge diff edge_sum"),
        ("Fusion", "gate fused"),
        ("Head", "logits classes"),
    ],
)
def test_each_step_lies_in_its_branch(placed: Layout, lane: str, names: str) -> None:
    box = next(box for branch, box in placed.lanes if branch.name == lane)
    for own in (placed.boxes[name] for name in names.split()):
        assert box.x < own.x < own.x + own.width < box.x + box.width
        assert box.y < own.y < own.y + own.height < box.y + box.height


@pytest.mark.parametrize("source", ["detail", "deep"])
def test_connections_run_down_inside_the_lane_that_they_lead_to(placed: Layout, source: str) -> None:
    box = next(box for branch, box in placed.lanes if branch.name == "P")
    corners = placed.links[source, "pag"]
    assert len({x for x, _ in corners}) > 1
    assert all(box.x < x < box.x + box.width for x, _ in corners[2:])


def test_a_network_without_known_branches_has_one_lane_and_a_straight_trunk() -> None:
    chain = [step("a"), step("b", "a", module="features.0"), step("c", "b"), step("side", "b"), step("d", "c", "side")]
    placed = layout(Program((*chain, step("e", "d")), ("e",)))
    assert [branch.name for branch, _ in placed.lanes] == ["Network"]
    assert len({placed.boxes[name].x for name in "abcde"}) == 1
    assert placed.boxes["side"].x != placed.boxes["c"].x


def test_a_step_that_only_its_own_module_reads_stands_right_above_its_reader() -> None:
    steps = [step("x"), *(step(f"long{i}", f"long{i - 1}" if i else "x", module="layer.0") for i in range(5))]
    short = step("short", "x", module="layer.1")
    placed = layout(Program((*steps, short, step("sum", "long4", "short", module="layer.2")), ("sum",)))
    assert placed.boxes["short"].y == placed.boxes["long4"].y
