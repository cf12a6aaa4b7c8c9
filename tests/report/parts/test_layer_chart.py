from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qat.report.parts.layer_chart import APART, HEIGHT, LEFT, TOP, WIDTH, layer_chart
from tests.report.fakes import layer

ERRORS = st.floats(1e-6, 10)


@given(st.lists(st.tuples(st.none() | ERRORS, ERRORS), max_size=40))
def test_columns_are_within_the_picture_and_names_apart(errors: list[tuple[float | None, float]]) -> None:
    layers = [layer(f"l{i}", *pair) for i, pair in enumerate(errors)]
    chart = layer_chart(layers, "")
    assert [column.name for column in chart.columns] == [each["name"] for each in layers]
    for column in chart.columns:
        assert LEFT <= column.x <= WIDTH - chart.step + 1e-6
        assert min(column.accumulated, column.isolated) >= TOP - 1e-6
        assert max(column.accumulated, column.isolated) <= chart.base < HEIGHT
    named = [column.x for column in chart.columns if column.named]
    assert len(named) <= 3
    assert all(right - left >= APART for left, right in pairwise(named))


def test_heights_are_in_proportion_to_the_error_and_the_scale() -> None:
    chart = layer_chart([layer("a", 0.01, 0.02), layer("b", 0.04, 0.04)], "")
    low, high = chart.columns
    assert (chart.base - high.isolated) / (chart.base - low.isolated) == 4
    assert {label: y for y, label in chart.ticks}["2"] == low.accumulated


def test_the_worst_is_named_and_a_column_leads_to_its_node() -> None:
    layers = [layer("ok", 0.01, 0.1), layer("broken <1>", 0.5, 0.5), layer("fine", None, 0.1)]
    chart = layer_chart(layers, "../debug/graph.html")
    assert chart.columns[1].named
    assert not chart.columns[2].named  # nothing of its own was measured
    assert chart.columns[1].href == "../debug/graph.html#node-broken%20%3C1%3E"
    assert "isolated 50.0 % (6.0 dB)" in chart.columns[1].label
    assert layer_chart(layers, "").columns[0].href == ""
