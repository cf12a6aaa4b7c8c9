"""The layers' errors as a table and as a chart, and what quantising each costs."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qat.report.parts.layers import (
    APART,
    HEIGHT,
    LEFT,
    SENSITIVE,
    TOP,
    WIDTH,
    layer_chart,
    layer_rows,
    sensitivity_table,
    worst,
)
from tests.report.fakes import debug, layer


def ranked(name: str, isolated: float, above: float) -> dict[str, object]:
    return layer(name, isolated, 0.1) | {"above_best_db": {"activation": above, "weights": None}}


def test_the_largest_isolated_error_comes_first() -> None:
    layers = [layer("a", 0.01, 0.9), layer("b", None, 0.9), layer("c", 0.05, 0.1)]
    assert [each["name"] for each in worst(layers)] == ["c", "a", "b"]


def test_where_debug_ranks_them_its_order_holds() -> None:
    layers = [ranked("hard", 0.5, 0.1), ranked("broken", 0.05, 12.0)]
    assert [(line.name, line.above) for line in layer_rows(layers, "")] == [("broken", "12.0"), ("hard", "0.1")]


def test_figures_as_text_and_gaps_where_nothing_was_measured() -> None:
    found, missing = layer_rows([layer("a", 0.1, 0.2), layer("b", None, 0.2)], "")
    assert found.isolated == ("20.0", "10.0", "0.99500", "1.50")
    assert missing.isolated == ("–",) * 4
    assert missing.accumulated == found.accumulated


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


def test_sensitivity_puts_groups_first_and_the_most_costly_layers_next() -> None:
    measured = debug()["sensitivity"]
    layer = measured["layers"][0]
    measured["layers"] = [
        layer | {"name": f"l{i}", "alone_quantised": layer["alone_quantised"] | {"sqnr_db": 90.0 - i}}
        for i in range(SENSITIVE + 5)
    ]
    table = sensitivity_table(measured, "")
    assert table is not None
    assert [row.name for row in table.rows[:3]] == ["everything", "weights only", f"l{SENSITIVE + 4}"]
    assert (table.shown, table.count, len(table.rows)) == (SENSITIVE, SENSITIVE + 5, SENSITIVE + 2)
    assert table.rows[2].figures == ("2.00", "60.00", "71.0", "0.400", "60.00", "30.0")
    assert sensitivity_table({}, "") is None


def test_without_labels_sensitivity_has_no_miou() -> None:
    measured = debug()["sensitivity"]
    score = {"mean_iou": None, "sqnr_db": None, "pixels_changed": 0.0}
    measured["layers"] = [measured["layers"][0] | {"alone_quantised": score, "alone_float": score}]
    table = sensitivity_table(measured, "")
    assert table is not None
    assert table.rows[-1].figures == ("2.00", "–", "–", "0.000", "–", "–")
