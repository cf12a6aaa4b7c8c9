"""A classifier of the user's own, by MODEL.NAME and MODEL.TASK, through the stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qat.cli.main import main
from qat.errors import UserError
from qat.models import UserNetwork, load_user_network

CODE = """
from torch import nn

def build(classes=8):
    def block(inside, outside):
        return nn.Sequential(nn.Conv2d(inside, outside, 3, 2, 1), nn.BatchNorm2d(outside), nn.ReLU())
    return nn.Sequential(block(3, 8), block(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes))
"""
RUN = """
MODEL: {NAME: "net.py:build", TASK: classification}
DATASET: {DATASET: streets_crops, ROOT: data, STREETS_TRAIN: 4, STREETS_VAL: 2}
TEST: {IMAGE_SIZE: [32, 32], MODEL_FILE: ""}
QUANT: {CALIB_IMAGES: 8}
COMPILE: {RUNTIMES: [ort], BENCH_ROUNDS: 0}
DEVICE: cpu
WORKERS: 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(CODE)
    (tmp_path / "net.yaml").write_text(RUN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_classifier_goes_the_whole_way(folder: Path) -> None:
    for command in ("check", "calib", "eval --stage float", "eval --stage int_infer", "compile"):
        assert main([*command.split(), "-c", "net.yaml"]) == 0
    run = folder / "output" / "streets_crops" / "net"
    float_, int8 = (json.loads((run / stage / "metrics.json").read_text()) for stage in ("float", "int_infer"))
    assert float_["top1"] == int8["top1"]
    assert int8["logit_sqnr"] > 30
    assert json.loads((run / "compile" / "parity.json").read_text())["model.onnx"]["ort"]


def test_its_row_says_its_task_and_what_is_learnt(folder: Path) -> None:
    _, spec = load_user_network(UserNetwork("net.py:build", task="classification"), 8, (32, 32))
    assert (spec.task, spec.loss) == ("classification", "classification")


@pytest.mark.parametrize("task", ["segmentation", "keypoints"])
def test_outputs_of_another_task_are_one_line(folder: Path, task: str) -> None:
    with pytest.raises(UserError, match=rf"net.py:build gives .*1, 8.*; expected .* as MODEL.TASK {task} says"):
        load_user_network(UserNetwork("net.py:build", task=task), 8, (32, 32))


def test_a_task_for_a_registered_network_and_an_unknown_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "MODEL.TASK", "classification"]) == 2
    assert "MODEL.TASK is classification and MODEL.NAME pidnet_s is registered" in capsys.readouterr().err
    assert main(["check", "-c", "net.yaml", "MODEL.TASK", "detection"]) == 2
    assert "MODEL.TASK" in capsys.readouterr().err
