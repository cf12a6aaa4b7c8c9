from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from yacs.config import CfgNode

from qat.data import SegmentationDataset, build_dataset, data_loader, evenly_spaced
from qat.data.descriptor import IGNORE
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec

MakeCfg = Callable[..., CfgNode]
Save = Callable[[Path, np.ndarray], Path]


def build(cfg: CfgNode, split: str = "train") -> SegmentationDataset:
    return build_dataset(data_spec(cfg), split, InferenceTransform())


@pytest.fixture
def small_root(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "small"
    save(root / "train/a.png", np.zeros((4, 6, 3), np.uint8))
    save(root / "trainannot/a.png", np.arange(24, dtype=np.uint8).reshape(4, 6) % 12)
    (root / "train.txt").write_text("train/a.png trainannot/a.png\n")
    return root


def test_void_is_ignored_and_the_root_comes_from_the_config(small_root: Path, make_cfg: MakeCfg) -> None:
    data = build(make_cfg("camvid", small_root))
    assert data.names == ["train/a"]
    assert data[0]["label"].flatten().tolist() == [*range(11), IGNORE] * 2


def test_the_environment_wins(small_root: Path, make_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMVID_ROOT", str(small_root))
    assert len(build(make_cfg("camvid", Path("nowhere")))) == 1
    monkeypatch.setenv("CAMVID_ROOT", "gone")
    with pytest.raises(UserError, match=r"CAMVID_ROOT gone is not a folder; set CAMVID_ROOT or .* holds train\.txt"):
        build(make_cfg("camvid", small_root))


def test_a_chosen_root_is_never_replaced(tmp_path: Path, make_cfg: MakeCfg) -> None:
    with pytest.raises(UserError, match=rf"DATASET\.ROOT {tmp_path}/none is not a folder; set CAMVID_ROOT"):
        build(make_cfg("camvid", tmp_path / "none"))


def test_a_missing_list_is_named(small_root: Path, make_cfg: MakeCfg) -> None:
    with pytest.raises(UserError, match=r"no list file .*small/night\.txt"):
        build(make_cfg("camvid", small_root, "DATASET.TRAIN_SET", "night.txt"))


def test_a_wrong_class_index_is_named(small_root: Path, make_cfg: MakeCfg, save: Save) -> None:
    save(small_root / "trainannot/a.png", np.full((4, 6), 12, np.uint8))
    with pytest.raises(UserError, match=r"trainannot/a\.png holds class index 12"):
        build(make_cfg("camvid", small_root))[0]


def test_the_real_camvid(camvid_root: Path, make_cfg: MakeCfg) -> None:
    cfg = make_cfg("camvid", camvid_root)
    train, val = build(cfg), build(cfg, "val")
    assert (len(train), len(val)) == (367, 101)
    assert train.names == sorted(train.names)
    assert len(set(train.names) | set(val.names)) == 468
    pixels = np.zeros(256, np.int64)
    for batch in data_loader(train, 16, 2, indices=evenly_spaced(len(train), 48)):
        assert batch["image"].shape[1:] == (360, 480, 3)
        pixels += np.bincount(batch["label"].flatten().numpy(), minlength=256)
    share = pixels / pixels.sum()
    assert set(np.flatnonzero(pixels)) == {*range(11), IGNORE}
    assert 0.2 < share[3] < 0.4  # Road
    assert share[IGNORE] < 0.08
