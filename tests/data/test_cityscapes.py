from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from yacs.config import CfgNode

from qat.config import load_config
from qat.data import SegmentationDataset, build_dataset, data_loader
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec

MakeCfg = Callable[..., CfgNode]
Save = Callable[[Path, np.ndarray], Path]
FIRST = "aachen/aachen_000001_000019"
LABELS = "gtFine/train/aachen/aachen_000001_000019_gtFine_"


def build(cfg: CfgNode, split: str = "train") -> SegmentationDataset:
    return build_dataset(data_spec(cfg), split, InferenceTransform())


def test_the_layout_is_found_and_sorted(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    data = build(make_cfg("cityscapes", cityscapes_root))
    frames = ("aachen/aachen_000001_000019", "aachen/aachen_000002_000019", "ulm/ulm_000001_000019")
    assert data.names == [f"leftImg8bit/train/{frame}_leftImg8bit" for frame in frames]
    assert data.class_names[0] == "road"
    assert data.palette.shape == (19, 3)
    assert len(build(make_cfg("cityscapes", cityscapes_root), "val")) == 1


@pytest.mark.parametrize("labels", ["auto", "labelIds", "trainIds"])
def test_image_and_label_of_a_sample_belong_together(cityscapes_root: Path, make_cfg: MakeCfg, labels: str) -> None:
    for sample in build(make_cfg("cityscapes", cityscapes_root, "DATASET.LABELS", labels)):  # type: ignore[attr-defined]
        assert (sample["image"][..., 0] == sample["label"] * 10).all()
        assert (sample["image"][..., 2] == sample["label"]).all()


def test_auto_reads_train_ids_where_only_they_exist(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    for path in cityscapes_root.rglob("*labelIds.png"):
        path.unlink()
    data = build(make_cfg("cityscapes", cityscapes_root))
    assert (data[0]["image"][..., 2] == data[0]["label"]).all()


def test_the_test_split_has_no_labels(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    data = build(make_cfg("cityscapes", cityscapes_root, "DATASET.TEST_SET", "test"), "val")
    assert set(data[0]) == {"image", "name"}
    (batch,) = data_loader(data, 1, 0)
    assert batch["image"].shape == (1, 32, 64, 3)


def test_the_environment_wins(cityscapes_root: Path, make_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSCAPES_DATASET", str(cityscapes_root))
    assert len(build(make_cfg("cityscapes", Path("nowhere")))) == 3


@pytest.fixture
def official(cityscapes_root: Path, tmp_path: Path) -> CfgNode:
    """The official PIDNet's places: data/cityscapes, data/list/cityscapes/*.lst."""
    shutil.move(cityscapes_root, tmp_path / "data" / "cityscapes")
    keys = (
        "DATASET: cityscapes",
        "ROOT: data/",
        "TRAIN_SET: 'list/cityscapes/train.lst'",
        "TEST_SET: 'list/cityscapes/val.lst'",
    )
    text = "GPUS: (0,1)\nDATASET:\n" + "".join(f"  {key}\n" for key in keys) + "MODEL:\n  NAME: pidnet_small\n"
    (tmp_path / "official.yaml").write_text(text)
    return load_config(tmp_path / "official.yaml")


@pytest.mark.parametrize("prefix", ["", "cityscapes/"])
def test_an_official_config_and_its_lists(official: CfgNode, tmp_path: Path, prefix: str) -> None:
    line = f"{prefix}leftImg8bit/train/{FIRST}_leftImg8bit.png\t{prefix}{LABELS}labelIds.png\n"
    path = tmp_path / "data/list/cityscapes/train.lst"
    path.parent.mkdir(parents=True)
    path.write_text(line)
    (sample,) = build(official)  # type: ignore[misc]
    assert (sample["image"][..., 2] == sample["label"]).all()


def test_an_official_config_without_lists_uses_the_layout(official: CfgNode, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert len(build(official)) == 3
    assert "using the split train of data/cityscapes" in caplog.text


def test_a_list_of_images_only(official: CfgNode, tmp_path: Path) -> None:
    (tmp_path / "data/list/cityscapes").mkdir(parents=True)
    (tmp_path / "data/list/cityscapes/val.lst").write_text(f"leftImg8bit/train/{FIRST}_leftImg8bit.png\n")
    assert set(build(official, "val")[0]) == {"image", "name"}


def test_a_missing_root_is_named(make_cfg: MakeCfg, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"DATASET\.ROOT nowhere is not a folder"):
        build(make_cfg("cityscapes", Path("nowhere")))
    monkeypatch.setenv("CITYSCAPES_DATASET", "gone")
    with pytest.raises(UserError, match="CITYSCAPES_DATASET gone is not a folder"):
        build(make_cfg("cityscapes", Path("nowhere")))


def test_an_unknown_split_is_named(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    with pytest.raises(UserError, match=r"lists/night\.txt is no list file and no split"):
        build(make_cfg("cityscapes", cityscapes_root, "DATASET.TRAIN_SET", "lists/night.txt"))


def test_an_empty_split_is_named(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    (cityscapes_root / "leftImg8bit" / "night").mkdir()
    with pytest.raises(UserError, match="leftImg8bit/night holds no image"):
        build(make_cfg("cityscapes", cityscapes_root, "DATASET.TRAIN_SET", "night"))


def test_a_missing_label_is_named_before_training_starts(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    (cityscapes_root / f"{LABELS}labelTrainIds.png").unlink()
    (cityscapes_root / f"{LABELS}labelIds.png").unlink()
    with pytest.raises(UserError, match=f"label .*{LABELS}labelIds.png .* does not exist"):
        build(make_cfg("cityscapes", cityscapes_root))


def test_sizes_that_differ_are_named(cityscapes_root: Path, make_cfg: MakeCfg, save: Save) -> None:
    save(cityscapes_root / f"{LABELS}labelIds.png", np.full((16, 64), 7, np.uint8))
    data = build(make_cfg("cityscapes", cityscapes_root))
    with pytest.raises(UserError, match=rf"{LABELS}labelIds\.png is 64x16 but its image .* is 64x32"):
        data[0]


def test_the_other_encoding_is_named(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    shutil.copy(cityscapes_root / f"{LABELS}labelTrainIds.png", cityscapes_root / f"{LABELS}labelIds.png")
    data = build(make_cfg("cityscapes", cityscapes_root))
    with pytest.raises(UserError, match=rf"{LABELS}labelIds\.png obviously holds trainIds"):
        data[0]


def test_a_label_name_without_encoding_asks_for_the_key(official: CfgNode, tmp_path: Path, save: Save) -> None:
    save(tmp_path / "data/cityscapes/mine.png", np.zeros((32, 64), np.uint8))
    (tmp_path / "data/mine.txt").write_text(f"leftImg8bit/train/{FIRST}_leftImg8bit.png mine.png")
    cfg = official.clone()
    cfg.defrost()
    cfg.DATASET.TRAIN_SET = "mine.txt"
    with pytest.raises(UserError, match=r"mine\.png tells no encoding; set DATASET\.LABELS"):
        build(cfg)
    cfg.DATASET.LABELS = "trainIds"
    assert build(cfg)[0]["label"].max() == 0


def test_split_names_are_checked(cityscapes_root: Path, make_cfg: MakeCfg) -> None:
    with pytest.raises(UserError, match="did you mean train"):
        build(make_cfg("cityscapes", cityscapes_root), "trian")
