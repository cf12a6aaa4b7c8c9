"""The configs that come with the project fit the data sets that they name, and hold nothing that those say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from qat.config import load_config
from qat.data import read_descriptor

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "configs"
NAMES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_config_fits_its_data_set(name: str) -> None:
    cfg = load_config(FOLDER / name)
    assert Path(name).parts[0] == cfg.DATASET.DATASET
    assert Path(name).stem == cfg.NAME
    assert cfg.NAME in (cfg.MODEL.NAME, f"{cfg.MODEL.NAME}_train", f"{cfg.MODEL.NAME}_j5")
    assert len(read_descriptor(cfg.DATASET.DATASET).classes) == cfg.DATASET.NUM_CLASSES
    assert cfg.TEST.MODEL_FILE or cfg.NAME.endswith("_train")


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_config_says_nothing_that_the_descriptor_says(name: str) -> None:
    given = yaml.safe_load((FOLDER / name).read_text())["DATASET"]
    assert set(given) <= {"DATASET", "STREETS_TRAIN", "STREETS_VAL", "STREETS_SEED"}
    assert ".." not in (FOLDER / name).read_text().split("/")


def test_each_folder_of_configs_is_a_data_set() -> None:
    assert {path.parent.name for path in FOLDER.rglob("*.yaml")} <= {
        path.stem for path in (PROJECT / "datasets").glob("*.yaml")
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_j5.yaml")])
def test_a_config_for_j5_is_the_walkthroughs(name: str) -> None:
    cfg = load_config(FOLDER / name)
    assert (cfg.QUANT.TARGET, cfg.COMPILE.OPT, cfg.COMPILE.MARCH) == ("j5", "O3", "bayes")
