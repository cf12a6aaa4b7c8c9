"""The configs that come with the project fit the data sets that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.config import load_config
from qat.data.labels import CAMVID_CLASSES, CITYSCAPES_CLASSES
from qat.data.registry import _DATASETS

FOLDER = Path(__file__).resolve().parents[2] / "configs"
CLASSES = {"cityscapes": CITYSCAPES_CLASSES, "streets": CITYSCAPES_CLASSES, "camvid": CAMVID_CLASSES}


@pytest.mark.parametrize("name", sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")))
def test_a_ready_config_loads(name: str) -> None:
    cfg = load_config(FOLDER / name)
    assert Path(name).parts[0] == cfg.DATASET.DATASET in _DATASETS
    assert Path(name).stem in (cfg.MODEL.NAME, f"{cfg.MODEL.NAME}_train")
    assert len(CLASSES[cfg.DATASET.DATASET]) == cfg.DATASET.NUM_CLASSES
    assert cfg.TEST.MODEL_FILE or Path(name).stem.endswith("_train")


def test_there_is_a_config_for_each_data_set() -> None:
    assert {path.parent.name for path in FOLDER.rglob("*.yaml")} == set(_DATASETS)
