"""Labels of whole pictures: the folder's name, the sizes, the crops of streets, and mistakes in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.config import load_config
from qat.data import build_dataset, data_loader
from qat.data.class_folder import ClassFolder, ClassTransform, scaled
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec


def config(root: Path, *keys: str) -> object:
    made = ["MODEL.NAME", "mnasnet0_5", "DATASET.ROOT", str(root), "TEST.IMAGE_SIZE", "32,32", *keys]
    return load_config("streets/pidnet_s", ["DATASET.DATASET", "streets_crops", *made])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four generated streets and the crops of their objects."""
    root = tmp_path_factory.mktemp("streets")
    few = ("DATASET.STREETS_TRAIN", "3", "DATASET.STREETS_VAL", "1")
    build_dataset(data_spec(config(root, *few)), "val", InferenceTransform())  # type: ignore[arg-type]
    return next(root.iterdir())


def test_streets_crops_are_named_after_what_is_seen(root: Path) -> None:
    crops = sorted((root / "crops" / "train").rglob("*.png"))
    assert len(crops) > 20
    assert {"person", "car"} < {path.parent.name for path in crops}
    assert all(min(cv2.imread(str(path)).shape[:2]) >= 12 for path in crops)


def test_crops_leave_pictures_and_labels_as_they_are(root: Path, tmp_path: Path) -> None:
    from qat.data.streets import write

    plain = write(tmp_path / root.name, train=3, val=1)
    for path in sorted(plain.rglob("*.png")):
        same = root / path.relative_to(plain)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(same.read_bytes()).digest()


def test_a_batch_has_one_size_and_a_class_a_picture(root: Path) -> None:
    few = ("DATASET.STREETS_TRAIN", "3", "DATASET.STREETS_VAL", "1")
    dataset = build_dataset(data_spec(config(root.parent, *few)), "train", InferenceTransform())  # type: ignore[arg-type]
    batch = next(iter(data_loader(dataset, 8, 0)))
    assert (batch["image"].shape, batch["label"].shape) == ((8, 32, 32, 3), (8, 1))
    named = [dataset.class_names[int(label)] for label in batch["label"]]
    assert named == [name.split("/")[-2] for name in batch["name"]]


def test_training_sees_parts_of_pictures(root: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    transform = ClassTransform((16, 24), (0.5,) * 3, (0.5,) * 3)
    first, again, other = (transform(image, np.array([3]), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first["image"].shape, first["label"].tolist()) == ((3, 24, 16), [3])
    assert first["image"].equal(again["image"])
    assert not first["image"].equal(other["image"])
    assert scaled(image, (30, 40)) is image


def test_mistakes_are_one_line(root: Path) -> None:
    with pytest.raises(UserError, match=r"lies in vans, which is no class of the data set.s desc.*; did you mean van"):
        ClassFolder(("car", "van")).read(Path("val/vans/1.png"))
    with pytest.raises(UserError, match=r"is of class 1; DATASET\.NUM_CLASSES is 1"):
        ClassFolder(("car", "van")).decode(np.array([1]), 1, Path("val/van/1.png"))
    with pytest.raises(UserError, match="has labels of folders; give a data set with labels of pixels"):
        data_spec(load_config("streets/pidnet_s", ["DATASET.DATASET", "streets_crops"]))
