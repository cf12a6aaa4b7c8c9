from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from tensorboardX.proto.event_pb2 import Event

from qat.training.board import Board, colour

PALETTE = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)


def events(folder: Path) -> Iterator[Event]:
    """The events of a folder's files: each is length, checksum, bytes, checksum."""
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def test_colour_paints_classes_and_leaves_the_rest_black() -> None:
    painted = colour(np.array([[0, 1, 2, 255]], np.uint8), PALETTE)
    assert painted.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 0], [0, 0, 0]]]


def test_scalars_and_pictures_reach_the_file(tmp_path: Path) -> None:
    board = Board(tmp_path, PALETTE)
    board.scalars(5, {"val/traffic light": 0.5})
    classes = torch.tensor([[0, 1], [1, 255]], dtype=torch.uint8)
    board.picture(5, "val/0", torch.full((2, 2, 3), 9, dtype=torch.uint8), classes, classes)
    board.close()
    values = {value.tag: (event.step, value) for event in events(tmp_path) for value in event.summary.value}
    assert values["val/traffic_light"][0] == 5
    assert values["val/traffic_light"][1].simple_value == 0.5
    png = np.frombuffer(values["val/0"][1].image.encoded_image_string, np.uint8)
    picture = cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert picture.shape == (6, 2, 3)
    assert picture[0, 0].tolist() == [9, 9, 9]
    assert picture[2:4].tolist() == picture[4:6].tolist() == colour(classes.numpy(), PALETTE).tolist()


def test_a_silent_board_writes_nothing(tmp_path: Path) -> None:
    board = Board(tmp_path / "log", PALETTE, write=False)
    board.scalars(1, {"a": 1.0})
    board.close()
    assert not (tmp_path / "log").exists()
