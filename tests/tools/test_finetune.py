"""`make qat` as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from qat.config import load_config
from qat.stages import origin_of, source_of
from qat.workflow.load import example_input, load_stage
from qat.workflow.run import folders_of, run_of
from tests.accuracy.runs import tool

TRAINING = ("TRAIN.IMAGE_SIZE", "[128,64]", "TRAIN.BATCH_SIZE_PER_GPU", "2", "QAT.END_EPOCH", "1")


@pytest.fixture(scope="module")
def options(tiny: list[str]) -> list[str]:
    return [*tiny, *TRAINING]


@pytest.fixture(scope="module")
def said(options: list[str]) -> str:
    tool("calib", *options)
    return tool("finetune", *options)


def config_of(options: list[str]) -> object:
    return load_config(options[1], options[2:])


def test_it_needs_a_calibration(options: list[str], tmp_path: Path) -> None:
    said = tool("finetune", *options, "OUTPUT_DIR", str(tmp_path), code=2)
    missing = tmp_path / "streets" / "tiny" / "calib" / "calib-checkpoint-last.ckpt"
    assert said.strip().splitlines()[-1] == f"error: no calibration at {missing}; run make calib first"


def test_it_says_what_it_does(said: str, options: list[str]) -> None:
    assert "activation scales are learnt: calib isn't evaluated (make eval STAGE=calib)" in said
    assert re.search(r"epoch 1 of 1: loss \d.*labels \d.*logits \d.*mean_iou 0\.\d", said)
    assert re.search(r"fine-tuned for 1 epochs -> .*qat-checkpoint-last\.ckpt", said)
    files = {path.name for path in folders_of(config_of(options)).stage("qat").iterdir()}
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


def test_later_stages_start_from_it(said: str, options: list[str]) -> None:
    config = config_of(options)
    assert source_of(run_of(config)) == "qat"
    image = example_input(config)
    with torch.no_grad():
        ours, int8, calib = (load_stage(config, stage)(image) for stage in ("qat", "int_infer", "calib"))
    steps = (ours - calib).abs().mean()
    assert (ours - int8).abs().mean() < steps / 10
    manifest = json.loads((folders_of(config).stage("qat") / "manifest.json").read_text())
    assert manifest["made_from"] == origin_of(run_of(config), "qat").values
    assert (manifest["epochs"], manifest["scales learn"]) == (1, True)
