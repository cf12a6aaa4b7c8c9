from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from qat.training.reporting import Board, colour
from tests.training.events import read_events

PALETTE = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)


def test_colour_paints_classes_and_leaves_the_rest_black() -> None:
    painted = colour(np.array([[0, 1, 2, 255]], np.uint8), PALETTE)
    assert painted.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 0], [0, 0, 0]]]


def test_scalars_and_pictures_reach_the_file(tmp_path: Path) -> None:
    board = Board(tmp_path, PALETTE)
    board.scalars(5, {"val/traffic light": 0.5})
    classes = torch.tensor([[0, 1], [1, 255]], dtype=torch.uint8)
    board.picture(5, "val/0", torch.full((2, 2, 3), 9, dtype=torch.uint8), classes, classes)
    board.close()
    values = {value.tag: (event.step, value) for event in read_events(tmp_path) for value in event.summary.value}
    assert values["val/traffic_light"][0] == 5
    assert values["val/traffic_light"][1].simple_value == 0.5
    png = np.frombuffer(values["val/0"][1].image.encoded_image_string, np.uint8)
    picture = cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert picture.shape == (6, 2, 3)
    assert picture[0, 0].tolist() == [9, 9, 9]
    assert picture[2:4].tolist() == picture[4:6].tolist() == colour(classes.numpy(), PALETTE).tolist()


def test_histograms_reach_the_file(tmp_path: Path) -> None:
    board = Board(tmp_path, PALETTE)
    board.histograms(3, {"weight/conv": torch.tensor([-1.0, 2.0, 2.0], requires_grad=True)})
    board.close()
    values = [(event.step, value) for event in read_events(tmp_path) for value in event.summary.value]
    ((step, value),) = [(step, value) for step, value in values if value.tag == "weight/conv"]
    assert step == 3
    assert (value.histo.num, value.histo.min, value.histo.max, value.histo.sum) == (3, -1, 2, 3)


def test_a_silent_board_writes_nothing(tmp_path: Path) -> None:
    board = Board(tmp_path / "log", PALETTE, write=False)
    board.scalars(1, {"a": 1.0})
    board.close()
    assert not (tmp_path / "log").exists()
