from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from yacs.config import CfgNode

from qat.data import build_dataset, data_loader, read_descriptor
from qat.data.encodings import label_ids
from qat.data.streets import render
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec, training_transform

MakeCfg = Callable[..., CfgNode]
FEW = ("DATASET.STREETS_TRAIN", "2", "DATASET.STREETS_VAL", "1")


def test_pictures_are_written_once_and_read_as_cityscapes(tmp_path: Path, make_cfg: MakeCfg) -> None:
    cfg = make_cfg("streets", tmp_path / "new" / "streets", *FEW)
    train = build_dataset(data_spec(cfg), "train", InferenceTransform())
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    val = build_dataset(data_spec(cfg), "val", InferenceTransform())
    assert (len(train), len(val)) == (2, 1)
    assert train.class_names == read_descriptor("cityscapes").class_set.names
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == written
    image, label = render([0, 1, 0], (512, 256))
    np.testing.assert_array_equal(val[0]["image"], image)
    np.testing.assert_array_equal(val[0]["label"], label_ids(read_descriptor("streets")).table[label])


def test_sets_of_other_numbers_live_side_by_side(tmp_path: Path, make_cfg: MakeCfg) -> None:
    first, other = (
        build_dataset(data_spec(make_cfg("streets", tmp_path, *FEW, *more)), "val", InferenceTransform())
        for more in ((), ("DATASET.STREETS_SEED", "7"))
    )
    assert first.names == other.names
    assert (first[0]["image"] != other[0]["image"]).any()


def test_training_samples(tmp_path: Path, make_cfg: MakeCfg) -> None:
    cfg = make_cfg("streets", tmp_path, *FEW)
    (batch,) = data_loader(build_dataset(data_spec(cfg), "train", training_transform(cfg)), 2, 0)
    assert batch["image"].shape == (2, 3, 24, 48)
    assert batch["label"].unique().numel() > 2


def test_a_root_that_cant_be_written_is_named(tmp_path: Path, make_cfg: MakeCfg) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        build_dataset(data_spec(make_cfg("streets", tmp_path / "file", *FEW)), "train", InferenceTransform())
