"""Histograms share one scale with their grid; a grid says how much of what was seen it holds."""

from __future__ import annotations

import re

import pytest

from qat.report.parts.ranges import HEIGHT, SHOWN, WIDTH, grid_rows, range_panels
from tests.report.fakes import NAMES, ranges


def test_the_order_is_the_given_one_then_the_most_saturated() -> None:
    layers = [ranges(name) for name in NAMES]
    layers[3]["activation"]["saturated"] = 0.5
    found = range_panels(layers, ["add", "unknown"], "g.html")
    assert [each.name for each in found] == ["add", "head", "conv1", "layer1_0_conv1"]
    assert found[0].href == "g.html#node-add"
    assert len(range_panels([ranges(f"l{i}") for i in range(SHOWN + 3)], [], "")) == SHOWN


def test_the_grid_and_the_outline_share_one_scale() -> None:
    (found,) = range_panels([ranges("add")], [], "")  # values -1 to 3, grid -2.56 to 2.54
    span = 3 + 2.56
    assert (found.low, found.high) == (0, pytest.approx(WIDTH * (2.54 + 2.56) / span, abs=0.01))
    assert found.zero == pytest.approx(WIDTH * 2.56 / span, abs=0.01)
    assert found.ends == ("−2.56", "3.00")
    heights = [float(y) for y in re.findall(r"V([\d.]+)H", found.path)]
    assert len(heights) == 4
    assert min(heights) == heights[1] == 0  # the fullest bin reaches the top
    assert max(heights) < HEIGHT  # a single value is seen too
    assert found.path.endswith(f"V{HEIGHT}Z")


def test_facts_name_what_sticks_out() -> None:
    weighted, plain = range_panels([ranges("conv1"), ranges("add")], [], "")
    facts = dict(plain.facts)
    assert facts["saturated"] == "0.100 %"
    assert facts["outlier channels"] == "0 (9.5×), 1 (9.5×), 2 (9.5×), 2 more"
    assert "weights" not in facts
    assert dict(weighted.facts)["weight outliers"] == "none"


def test_layers_without_values_are_left_out() -> None:
    empty, unseen = ranges("a"), ranges("b") | {"activation": None}
    empty["activation"]["histogram"] = {"edges": [], "counts": []}
    assert range_panels([empty, unseen], ["a", "b"], "") == []


def entry(ends: list[float], seen: list[float] | None) -> dict[str, object]:
    return {"scale": 0.02, "zero_point": 128, "range": ends, "seen": seen, "observer": "mse"}


@pytest.mark.parametrize(
    ("ends", "seen", "kept"),
    [
        ([-2.0, 2.0], [-1.0, 1.5], "100"),
        ([-2.0, 2.0], [0.0, 4.0], "50"),
        ([-2.0, 2.0], [-8.0, 4.0], "25"),
        ([-2.0, 2.0], [1.0, 1.5], "100"),
        ([-2.0, 2.0], [0.0, 0.0], "100"),
        ([-2.0, 2.0], None, "–"),
    ],
)
def test_the_share_that_the_grid_holds(ends: list[float], seen: list[float] | None, kept: str) -> None:
    (found,) = grid_rows({"add": entry(ends, seen)}, "")
    assert found.kept == kept
    assert (found.range, found.scale, found.zero_point) == ("−2.00 to 2.00", "0.0200", "128")
