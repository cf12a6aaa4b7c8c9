"""Figures in short, exact figures, bars and classes of the stages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qat.report.parts.stages import bar_panel, class_rows, headline_stage, stage_panels, stage_rows, tiles
from tests.report.fakes import bare, metrics, sources


def test_tiles_are_about_the_last_stage() -> None:
    assert [tile.figure for tile in tiles(sources())] == ["60.00", "59.67", "0.500", "1.0"]
    assert [tile.title for tile in tiles(bare())] == ["float mIoU"]
    assert headline_stage({"float": metrics(), "calib": metrics(changed=0.1) | {"image_list": "x"}}) == "float"


VALUES = st.dictionaries(st.text(max_size=3), st.none() | st.floats(-1e3, 1e3), max_size=8)


@given(VALUES, st.none() | st.floats(-1e3, 1e3))
def test_everything_lies_within_the_panel(values: dict[str, float | None], limit: float | None) -> None:
    drawn = bar_panel("t", "%", values, str, limit)
    assert [bar.name for bar in drawn.bars] == [name for name, value in values.items() if value is not None]
    places = [bar.left for bar in drawn.bars] + [bar.left + bar.width for bar in drawn.bars]
    for place in [*places, drawn.zero, *([] if drawn.mark is None else [drawn.mark])]:
        assert -1e-6 <= place <= 100 + 1e-6


def test_bars_begin_or_end_at_zero_and_are_in_proportion() -> None:
    drawn = bar_panel("t", "%", {"a": -1.0, "b": 3.0}, lambda value: f"{value:g}", -1.0, "limit")
    loss, gain = drawn.bars
    assert (drawn.zero, drawn.mark) == (25, 0)
    assert loss.left + loss.width == gain.left == drawn.zero
    assert gain.width == 3 * loss.width
    assert [bar.text for bar in drawn.bars] == ["-1", "3"]


@pytest.mark.parametrize("values", [{}, {"a": None}, {"a": 0.0}])
def test_nothing_to_draw_is_no_error(values: dict[str, float | None]) -> None:
    assert all(bar.width == 0 for bar in bar_panel("t", "", values, str).bars)


def test_a_row_holds_what_the_stage_cost() -> None:
    reference, calib, int8, _ = stage_rows(sources())
    assert (reference.score, reference.kept, reference.changed, reference.passes) == ("60.00", "–", "–", None)
    assert (reference.worst, reference.worst_iou) == ("sky", "30.00")  # the lowest
    assert (calib.kept, calib.change, calib.changed, calib.sqnr) == ("99.44", "−0.33", "0.400", "28.4")
    assert (int8.worst, int8.worst_iou) == ("sky", "−2.00")  # the largest loss
    assert (int8.milliseconds, reference.megabytes, calib.megabytes) == ("50.0", "31.0", "–")


@pytest.mark.parametrize(("gate", "passed"), [(0.99, True), (0.999, False)])
def test_the_gate(gate: float, passed: bool) -> None:
    assert stage_rows(sources(gate=gate))[1].passes is passed


def test_a_stage_of_other_images_is_shown_but_not_compared() -> None:
    other = metrics((0.9, 0.5, 0.2), 0.3) | {"image_list": "another"}
    row = stage_rows(sources(metrics={"float": metrics(), "calib": other}))[1]
    assert (row.kept, row.change, row.passes, row.worst) == ("–", "–", None, "sky")


def test_equal_logits_are_said_to_be_equal() -> None:
    same = metrics(changed=0.0) | {"logit_sqnr": None}
    assert stage_rows(sources(metrics={"float": metrics(), "calib": same}))[1].sqnr == "equal"


def test_panels_show_what_there_is() -> None:
    lost, changed, time, size = stage_panels(sources())
    assert [bar.name for bar in lost.bars] == ["calib", "int_infer", "compiled ort"]
    assert lost.mark == 0  # the gate lies furthest from float
    assert [bar.text for bar in changed.bars] == ["0.400", "0.500", "0.450"]
    assert len(time.bars) == 4
    assert {bar.name: bar.text for bar in size.bars} == {"float": "31.0", "compiled ort": "8.0"}
    assert [panel.title for panel in stage_panels(bare())] == ["Time of a forward pass"]


COLOURS = {"road": "#804080"}


def test_changes_of_every_class_and_of_the_mean() -> None:
    titles, (road, car, sky, mean) = class_rows({"float": metrics(), "calib": metrics((0.9, 0.59, 0.35), 0.1)}, COLOURS)
    assert titles == ["calib"]
    assert (road.colour, car.colour, road.score, road.share) == ("#804080", "", "90.00", 90)
    assert [line.cells[0].change for line in (road, car, sky, mean)] == ["0.00", "−1.00", "+5.00", "+1.33"]
    assert [line.cells[0].heat for line in (road, car, sky)] == pytest.approx([0, -0.2, 1])


def test_small_changes_are_pale() -> None:
    _, (_, car, *_) = class_rows({"float": metrics(), "calib": metrics((0.9, 0.599, 0.3), 0.1)}, COLOURS)
    assert car.cells[0].heat == pytest.approx(-0.1)  # of a point


def test_a_class_that_is_nowhere_has_no_figures() -> None:
    _, (_, car, *_) = class_rows({"float": metrics((0.9, None, 0.3)), "calib": metrics((0.9, 0.1, 0.3), 0.1)}, {})
    assert (car.score, car.cells[0].change, car.cells[0].heat) == ("–", "–", 0)


def test_stages_of_other_images_are_left_out() -> None:
    titles, lines = class_rows({"float": metrics(), "calib": metrics(changed=0.1) | {"image_list": "other"}}, {})
    assert titles == []
    assert all(line.cells == () for line in lines)
