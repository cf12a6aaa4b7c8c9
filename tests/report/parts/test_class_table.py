from __future__ import annotations

import pytest

from qat.report.parts.class_table import class_lines
from tests.report.fakes import metrics

COLOURS = {"road": "#804080"}


def test_changes_of_every_class_and_of_the_mean() -> None:
    titles, (road, car, sky, mean) = class_lines(
        {"float": metrics(), "calib": metrics((0.9, 0.59, 0.35), 0.1)}, COLOURS
    )
    assert titles == ["calib"]
    assert (road.colour, car.colour, road.iou, road.share) == ("#804080", "", "90.00", 90)
    assert [line.cells[0].change for line in (road, car, sky, mean)] == ["0.00", "−1.00", "+5.00", "+1.33"]
    assert [line.cells[0].heat for line in (road, car, sky)] == pytest.approx([0, -0.2, 1])


def test_small_changes_are_pale() -> None:
    _, (_, car, *_) = class_lines({"float": metrics(), "calib": metrics((0.9, 0.599, 0.3), 0.1)}, COLOURS)
    assert car.cells[0].heat == pytest.approx(-0.1)  # of a point


def test_a_class_that_is_nowhere_has_no_figures() -> None:
    _, (_, car, *_) = class_lines({"float": metrics((0.9, None, 0.3)), "calib": metrics((0.9, 0.1, 0.3), 0.1)}, {})
    assert (car.iou, car.cells[0].change, car.cells[0].heat) == ("–", "–", 0)


def test_stages_of_other_images_are_left_out() -> None:
    titles, lines = class_lines({"float": metrics(), "calib": metrics(changed=0.1) | {"image_list": "other"}}, {})
    assert titles == []
    assert all(line.cells == () for line in lines)
