"""What a folder of pictures and one of labels show, of which nothing is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.data.survey import survey
from qat.errors import UserError


def picture(path: Path, level: int = 51, size: tuple[int, int] = (12, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), level, np.uint8))


def label(path: Path, *values: int, size: tuple[int, int] = (12, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.resize(np.array(values, np.uint8), (size[1], size[0])))


def test_splits_are_found_with_what_the_labels_hold(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            picture(tmp_path / "images" / split / f"{index}.jpg")
            label(tmp_path / "masks" / split / f"{index}.png", 0, 0, 0, 255)
    found = survey(tmp_path / "images", tmp_path / "masks")
    assert {name: len(pairs) for name, pairs in found.splits.items()} == {"train": 3, "val": 2}
    assert (found.made, found.size, found.unpaired, found.labels_read) == (False, (12, 8), 0, 5)
    assert [(one.value, one.share, one.files) for one in found.values] == [(0, 0.75, 5), (255, 0.25, 5)]
    assert found.mean == pytest.approx([0.2, 0.2, 0.2], abs=0.01)
    assert found.std == pytest.approx([0, 0, 0], abs=0.01)


def test_pictures_without_splits_are_divided(tmp_path: Path) -> None:
    for index in range(11):
        picture(tmp_path / f"{index:02}.png")
    found = survey(tmp_path)
    names = {split: [pair.image.stem for pair in pairs] for split, pairs in found.splits.items()}
    assert names["val"] == ["04", "09"]
    assert sorted(names["train"] + names["val"]) == [f"{index:02}" for index in range(11)]
    assert (found.made, found.values) == (True, ())


def test_files_whose_names_end_otherwise_belong_together(tmp_path: Path) -> None:
    for frame in ("city/a_1", "city/b_2", "town/a_1"):
        picture(tmp_path / "images" / f"{frame}_leftImg8bit.png")
        label(tmp_path / "labels" / f"{frame}_gtFine_labelIds.png", 7, 8)
        label(tmp_path / "labels" / f"{frame}_gtFine_color.png", 1)
    found = survey(tmp_path / "images", tmp_path / "labels")
    pairs = sorted((str(pair.image), str(pair.label)) for part in found.splits.values() for pair in part)
    assert pairs[0] == ("city/a_1_leftImg8bit.png", "city/a_1_gtFine_labelIds.png")
    assert len(pairs) == 3
    assert [one.value for one in found.values] == [7, 8]


def test_pictures_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.png", size=(16, 16) if name == "a" else (12, 8))
    for name in "ab":
        label(tmp_path / "labels" / f"{name}.png", 0)
    found = survey(tmp_path / "images", tmp_path / "labels")
    assert (found.count, found.unpaired) == (2, 1)
    assert found.sizes == {(16, 16): 1, (12, 8): 1}


def test_wrong_folders_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--images .*none is not a folder"):
        survey(tmp_path / "none")
    picture(tmp_path / "images" / "a.png")
    label(tmp_path / "labels" / "b.png", 0)
    with pytest.raises(UserError, match=r"no picture of .*images has a label in .*labels \(the first is a\.png"):
        survey(tmp_path / "images", tmp_path / "labels")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"--labels .*empty holds no file"):
        survey(tmp_path / "images", tmp_path / "empty")
