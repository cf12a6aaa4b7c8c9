from __future__ import annotations

import numpy as np
import pytest

from qat.evaluation.tasks.average_precision import average_precision

SQUARE = (10, 10, 50, 50)


def boxes(*rows: tuple) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 6)


def labels(*rows: tuple) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 5)


def test_a_box_of_an_iou_of_08_counts_at_seven_of_ten_thresholds() -> None:
    found = boxes((10, 10, 42, 50, 0.9, 0))  # 32 of 40 columns
    precision = average_precision([found], [labels((0, *SQUARE))], 1)
    assert precision.mean == pytest.approx(0.7, abs=1e-3)
    assert precision.mean_50 == pytest.approx(1)


def test_a_wrong_box_above_the_right_one_halves_the_precision() -> None:
    found = boxes((60, 60, 90, 90, 0.9, 0), (*SQUARE, 0.8, 0))
    assert average_precision([found], [labels((0, *SQUARE))], 1).mean == pytest.approx(0.5)


def test_a_second_box_of_an_object_is_wrong() -> None:
    found = boxes((*SQUARE, 0.9, 0), (*SQUARE, 0.8, 0), (60, 60, 90, 90, 0.7, 0))
    truth = labels((0, *SQUARE), (0, 60, 60, 90, 90))
    assert average_precision([found], [truth], 1).mean == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-4)


def test_classes_that_no_label_has_do_not_count() -> None:
    precision = average_precision(
        [boxes((*SQUARE, 0.9, 1), (*SQUARE, 0.9, 2))], [labels((1, *SQUARE), (0, *SQUARE))], 3
    )
    assert precision.by_class == (0.0, pytest.approx(1), None)
    assert precision.mean == pytest.approx(0.5)


def test_nothing_found_and_nothing_to_find() -> None:
    assert average_precision([boxes()], [labels((0, *SQUARE))], 1).mean == 0
    assert average_precision([boxes((*SQUARE, 0.9, 0))], [labels()], 1).by_class == (None,)


def test_an_object_of_another_picture_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    found, truth = [boxes((*SQUARE, 0.9, 0)), boxes()], [labels(), labels((0, *SQUARE))]
    assert average_precision(found, truth, 1).mean == 0
    assert capsys.readouterr().out == ""
