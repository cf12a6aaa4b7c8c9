from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from yacs.config import CfgNode

from qat.config import load_config
from qat.data import read_descriptor

SIZE = (64, 32)  # width, height
FRAMES = {"train": ("ulm/ulm_000001_000019", "aachen/aachen_000002_000019", "aachen/aachen_000001_000019"),
          "val": ("munster/munster_000001_000019",), "test": ("bonn/bonn_000001_000019",)}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    monkeypatch.delenv("CAMVID_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
    return path


@pytest.fixture(name="save")
def save_fixture() -> Callable[[Path, np.ndarray], Path]:
    return save


@pytest.fixture
def cityscapes_root(tmp_path: Path) -> Path:
    """A small Cityscapes: images whose red channel is the train id times 10, labelIds and labelTrainIds."""
    rng = np.random.default_rng(0)
    classes = read_descriptor("cityscapes").classes
    root = tmp_path / "city"
    for split, frames in FRAMES.items():
        for frame in frames:
            train_ids = rng.integers(0, 19, (SIZE[1] // 8, SIZE[0] // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            rgb = np.stack([train_ids * 10, rng.integers(0, 255, train_ids.shape), train_ids], axis=2).astype(np.uint8)
            save(root / "leftImg8bit" / split / f"{frame}_leftImg8bit.png", rgb[:, :, ::-1])
            label_ids = np.array([one.ids[0] for one in classes], np.uint8)[train_ids]
            save(root / "gtFine" / split / f"{frame}_gtFine_labelIds.png", label_ids)
            save(root / "gtFine" / split / f"{frame}_gtFine_labelTrainIds.png", train_ids)
    return root


@pytest.fixture
def make_cfg() -> Callable[..., CfgNode]:
    """A config of `dataset` at `root`; further options as KEY VALUE."""

    def make(dataset: str, root: Path, *opts: str) -> CfgNode:
        base = [
            "DATASET.DATASET",
            dataset,
            "DATASET.ROOT",
            str(root),
            "TRAIN.IMAGE_SIZE",
            "[48, 24]",
            "TRAIN.BASE_SIZE",
            "64",
        ]
        return load_config(None, [*base, *opts])

    return make
