from __future__ import annotations

import numpy as np
import pytest

from qat.deploy.letterbox import GREY, Letterbox

# what YOLOv5 7.0 gives (picture, network) -> (scaled, rows above and below, columns left and right)
PUBLISHED = [
    ((720, 1280), (640, 640), (360, 640), (140, 140, 0, 0)),
    ((427, 640), (640, 640), (427, 640), (106, 107, 0, 0)),
    ((500, 375), (640, 640), (640, 480), (0, 0, 80, 80)),
    ((333, 500), (416, 416), (277, 416), (69, 70, 0, 0)),
    ((101, 77), (64, 96), (64, 49), (0, 0, 23, 24)),
    ((50, 50), (64, 64), (64, 64), (0, 0, 0, 0)),
]


@pytest.mark.parametrize(("picture", "network", "scaled", "bars"), PUBLISHED)
def test_bars_are_the_published_ones(picture: tuple, network: tuple, scaled: tuple, bars: tuple) -> None:
    box = Letterbox(picture, network)
    assert (box.scaled, box.bars) == (scaled, bars)


@pytest.mark.parametrize(("picture", "network"), [case[:2] for case in PUBLISHED])
def test_the_picture_lies_between_grey_bars(picture: tuple, network: tuple) -> None:
    box = Letterbox(picture, network)
    filled = box.fill(np.full((*picture, 3), 7, np.uint8))
    inside = filled == 7
    assert filled.shape == (*network, 3)
    assert (filled[~inside] == GREY).all()
    assert inside[..., 0].sum() == box.scaled[0] * box.scaled[1]


def test_a_sliver_keeps_a_row() -> None:
    filled = Letterbox((1, 4000), (32, 64)).fill(np.full((1, 4000, 3), 7, np.uint8))
    assert (filled[..., 0] == 7).sum() == 64


def test_a_picture_of_the_input_s_size_stays_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    assert np.array_equal(Letterbox((64, 96), (64, 96)).fill(picture), picture)


@pytest.mark.parametrize(("picture", "network"), [case[:2] for case in PUBLISHED])
def test_boxes_come_back_to_where_they_were(picture: tuple, network: tuple) -> None:
    box = Letterbox(picture, network)
    corners = np.array([[3, 4, 40, 45, 0.5, 2]], np.float32)
    there = box.into(corners)
    assert np.abs(box.back(there) - corners).max() <= 0.76 / box.ratio  # rounding of bars and sizes
    assert there[0, 4:].tolist() == [0.5, 2]


def test_boxes_are_cut_at_the_picture_s_rim() -> None:
    box = Letterbox((480, 640), (256, 256))
    assert box.back(np.array([[-9, 0, 300, 256]], np.float32)).tolist() == [[0, 0, 640, 480]]
