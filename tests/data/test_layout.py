"""A user's own folder of pictures and masks, by a descriptor of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qat.config import load_config
from qat.data import SegmentationDataset, build_dataset, class_set
from qat.data.labels import IGNORE
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.data import data_spec

Save = Callable[[Path, np.ndarray], Path]
POTHOLES = """\
name: potholes
images: images/{split}
labels: masks/{split}
classes:
  - {name: road, id: 0}
  - {name: pothole, id: 255}
void: 7
"""


@pytest.fixture
def folder(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "mine"
    for split, frames in (("train", ("b", "a", "city/c")), ("val", ("d",))):
        for index, frame in enumerate(frames):
            save(root / "images" / split / f"{frame}.jpg", np.full((4, 6, 3), 40 * index, np.uint8))
            mask = np.repeat(np.array([[0, 255, 7]], np.uint8), 2, axis=1).repeat(4, axis=0)
            save(root / "masks" / split / f"{frame}.png", mask)
    (root / "notes.md").touch()
    (root / "images" / "train" / "notes.txt").touch()
    (root / "potholes.yaml").write_text(POTHOLES)
    return root


def build(folder: Path, split: str = "train", *opts: str, name: str = "potholes.yaml") -> SegmentationDataset:
    cfg = load_config(None, ["DATASET.DATASET", str(folder / name), *opts])
    return build_dataset(data_spec(cfg), split, InferenceTransform())


def test_pictures_and_masks_are_paired_by_their_names(folder: Path) -> None:
    data = build(folder)
    assert data.names == [f"images/train/{frame}" for frame in ("a", "b", "city/c")]
    assert data.class_names == ("road", "pothole")
    assert data[2]["label"].tolist() == [[0, 0, 1, 1, IGNORE, IGNORE]] * 4
    assert build(folder, "val").names == ["images/val/d"]


def test_patterns_with_endings(folder: Path) -> None:
    text = POTHOLES.replace("images/{split}", "images/{split}/{frame}.jpg")
    (folder / "other.yaml").write_text(text.replace("masks/{split}", "masks/{split}/{frame}_m.png"))
    for path in list((folder / "masks").rglob("*.png")):
        path.rename(path.with_name(f"{path.stem}_m.png"))
    assert build(folder, name="other.yaml").names == [f"images/train/{frame}" for frame in ("a", "b", "city/c")]


def test_a_data_set_without_labels(folder: Path) -> None:
    (folder / "potholes.yaml").write_text(POTHOLES.replace("labels: masks/{split}\n", ""))
    assert set(build(folder)[0]) == {"image", "name"}


def test_a_split_without_labels(folder: Path) -> None:
    (folder / "potholes.yaml").write_text(POTHOLES + "unlabelled: [val]\n")
    assert "label" in build(folder)[0]
    assert "label" not in build(folder, "val")[0]


def test_a_list_file_beside_the_layout(folder: Path) -> None:
    (folder / "few.txt").write_text("images/train/a.jpg masks/train/a.png\n")
    assert build(folder, "train", "DATASET.TRAIN_SET", "few.txt").names == ["images/train/a"]
    (folder / "potholes.yaml").write_text(POTHOLES + "splits: {train: few.txt}\n")
    assert build(folder).names == ["images/train/a"]


def test_train_ids_of_the_user_s_own(folder: Path) -> None:
    data = build(folder, "train", "DATASET.NUM_CLASSES", "8", "DATASET.LABELS", "trainIds")
    assert data[0]["label"].tolist() == [[0, 0, IGNORE, IGNORE, 7, 7]] * 4
    assert data.class_names[7] == "class 7"


def test_the_root_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "away.yaml").write_text(POTHOLES + "root_variable: POTHOLES\n")
    elsewhere = tmp_path / "away.yaml"
    with pytest.raises(UserError, match=r"set POTHOLES or DATASET\.ROOT to the one that holds images and masks"):
        build(elsewhere.parent, "train", "DATASET.ROOT", "nowhere", name="away.yaml")
    assert len(build(tmp_path, "train", "DATASET.ROOT", str(folder), name="away.yaml")) == 3
    monkeypatch.setenv("MINE", str(folder))
    assert len(build(tmp_path, "train", "DATASET.ROOT", "${MINE}", name="away.yaml")) == 3
    monkeypatch.setenv("POTHOLES", str(folder))
    assert len(build(tmp_path, name="away.yaml")) == 3


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "masks/train/a.png").unlink(), r"label .*masks/train/a\.png of .* does not exist"),
        (lambda root: (root / "images/train/a.png").touch(), r"image .*a\.png appears twice"),
        (lambda root: (root / "images/val").rename(root / "away"), r"val is no list file and no split of .*images/val"),
        (
            lambda root: (root / "images/val/d.jpg").unlink(),
            r"images/val holds no image; expected files that end",
        ),
    ],
)
def test_what_is_wrong_with_the_folder_is_named(folder: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=said):
        build(folder, "val" if "val" in said else "train")


def test_a_value_that_no_class_has_is_named(folder: Path, save: Save) -> None:
    save(folder / "masks/train/a.png", np.full((4, 6), 3, np.uint8))
    with pytest.raises(UserError, match=r"holds class index 3, .* expected potholes ids of 2 classes, or 255"):
        build(folder)[0]


def test_no_encoding_is_suspected_where_there_is_only_one(folder: Path, save: Save) -> None:
    text = "name: mine\nimages: images/{split}\nlabels: masks/{split}\nclasses: [{name: a, id: 30}]\nvoid: [0, 1]\n"
    (folder / "potholes.yaml").write_text(text)
    save(folder / "masks/train/a.png", np.tile(np.array([0, 1, 255], np.uint8), (4, 2)))
    assert set(np.unique(build(folder)[0]["label"])) == {IGNORE}


def test_classes_without_reading_a_picture(tmp_path: Path) -> None:
    (tmp_path / "potholes.yaml").write_text(POTHOLES)
    cfg = load_config(None, ["DATASET.DATASET", str(tmp_path / "potholes.yaml")])
    assert class_set(data_spec(cfg)).names == ("road", "pothole")
