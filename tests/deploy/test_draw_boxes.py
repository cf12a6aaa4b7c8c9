from __future__ import annotations

import numpy as np
import pytest

from qat.deploy.draw_boxes import draw_boxes

PALETTE = np.array([[250, 10, 10], [10, 250, 10]], np.uint8)
NAMES = ("car", "bus")


def test_a_box_has_its_class_s_colour_at_its_rim_and_leaves_its_inside() -> None:
    picture = np.full((96, 128, 3), 77, np.uint8)
    drawn = draw_boxes(picture, np.array([[20, 40, 100, 80, 0.5, 1]], np.float32), NAMES, PALETTE)
    assert (drawn[80, 20:101] == PALETTE[1]).all()
    assert (drawn[40:81, 100] == PALETTE[1]).all()
    assert (drawn[45:78, 25:95] == 77).all()
    assert (picture == 77).all()


def test_the_best_box_lies_on_top() -> None:
    boxes = np.array([[10, 30, 60, 60, 0.9, 0], [10, 30, 60, 60, 0.5, 1]], np.float32)
    drawn = draw_boxes(np.zeros((96, 128, 3), np.uint8), boxes, NAMES, PALETTE)
    assert (drawn[60, 10:61] == PALETTE[0]).all()


def test_a_label_without_a_score_and_a_box_at_the_top_rim() -> None:
    drawn = draw_boxes(np.zeros((96, 128, 3), np.uint8), np.array([[0, 0, 60, 60, 0]], np.float32), NAMES, PALETTE)
    assert (drawn[:8, :6] == PALETTE[0]).all(2).mean() > 0.4  # the name's ground is inside the picture


@pytest.mark.parametrize("columns", [5, 6])
def test_no_boxes_draw_nothing(columns: int) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    assert not draw_boxes(picture, np.zeros((0, columns), np.float32), NAMES, PALETTE).any()
