from __future__ import annotations

from qat.report.parts.layer_table import layer_lines, worst
from tests.report.fakes import layer


def ranked(name: str, isolated: float, above: float) -> dict[str, object]:
    return layer(name, isolated, 0.1) | {"above_best_db": {"activation": above, "weights": None}}


def test_the_largest_isolated_error_comes_first() -> None:
    layers = [layer("a", 0.01, 0.9), layer("b", None, 0.9), layer("c", 0.05, 0.1)]
    assert [each["name"] for each in worst(layers)] == ["c", "a", "b"]


def test_where_debug_ranks_them_its_order_holds() -> None:
    layers = [ranked("hard", 0.5, 0.1), ranked("broken", 0.05, 12.0)]
    assert [(line.name, line.above) for line in layer_lines(layers, "")] == [("broken", "12.0"), ("hard", "0.1")]


def test_figures_as_text_and_gaps_where_nothing_was_measured() -> None:
    found, missing = layer_lines([layer("a", 0.1, 0.2), layer("b", None, 0.2)], "")
    assert found.isolated == ("20.0", "10.0", "0.99500", "1.50")
    assert missing.isolated == ("–",) * 4
    assert missing.accumulated == found.accumulated
