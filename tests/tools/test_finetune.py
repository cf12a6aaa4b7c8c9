from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from qat.config import load_config
from qat.workflow import stages
from tests.accuracy.runs import ROOT, tool

CONFIG = ROOT / "configs" / "streets" / "pidnet_s.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qat")


@pytest.fixture(scope="module")
def options(folder: Path) -> list[str]:
    values = {
        "OUTPUT_DIR": folder / "output",
        "LOG_DIR": folder / "log",
        "WORKERS": 0,
        "DATASET.ROOT": folder / "data",
        "DATASET.STREETS_TRAIN": 2,
        "DATASET.STREETS_VAL": 1,
        "TRAIN.IMAGE_SIZE": "[128,64]",
        "TRAIN.BATCH_SIZE_PER_GPU": 2,
        "QUANT.CALIB_IMAGES": 1,
        "QUANT.HELD_OUT_IMAGES": 1,
        "QAT.END_EPOCH": 1,
    }
    return [str(part) for pair in values.items() for part in pair]


@pytest.fixture(scope="module")
def said(options: list[str]) -> str:
    tool("calib", "-c", str(CONFIG), *options)
    return tool("finetune", "-c", str(CONFIG), *options)


def test_it_needs_a_calibration(options: list[str], folder: Path) -> None:
    said = tool("finetune", "-c", str(CONFIG), *options, "OUTPUT_DIR", str(folder / "none"), code=2)
    missing = folder / "none" / "streets" / "pidnet_s" / "calib" / "calib-checkpoint-last.ckpt"
    assert said.strip().splitlines()[-1] == f"error: no calibration at {missing}; run make calib first"


def test_it_says_what_it_does(said: str, folder: Path) -> None:
    assert "activation scales are learnt: calib isn't evaluated (make eval STAGE=calib)" in said
    assert re.search(r"epoch 1 of 1: loss \d.*labels \d.*logits \d.*boundary 0\.\d.*mean_iou 0\.\d", said)
    files = {path.name for path in (folder / "output" / "streets" / "pidnet_s" / "qat").iterdir()}
    assert files == {
        *(
            "equalised.ckpt",
            "config.yaml",
            "history.json",
            "manifest.json",
            "qat-checkpoint-last.ckpt",
            "qparams.json",
            "train.log",
        )
    }


def test_later_stages_start_from_it(said: str, options: list[str], folder: Path) -> None:
    cfg = load_config(CONFIG, options)
    assert stages.source(cfg) == "qat"
    image = stages.example_input(cfg)
    with torch.no_grad():
        ours, int8, calib = (stages.load_stage(cfg, stage)(image) for stage in ("qat", "int_infer", "calib"))
    steps = (ours - calib).abs().mean()
    assert 0 < (ours - int8).abs().mean() < steps
    manifest = json.loads((folder / "output" / "streets" / "pidnet_s" / "qat" / "manifest.json").read_text())
    assert manifest["made_from"] == stages.made_from(cfg, "qat").values
    assert (manifest["epochs"], manifest["scales learn"]) == (1, True)
