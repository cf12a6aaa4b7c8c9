"""`make train` as a user runs it, also in two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qat.cli.main import main
from qat.models import build_model, load_checkpoint
from tests.accuracy.runs import ROOT, tool

SMALL = {
    "WORKERS": 0,
    "DATASET.STREETS_TRAIN": 4,
    "DATASET.STREETS_VAL": 1,
    "TRAIN.IMAGE_SIZE": "[128,128]",
    "TRAIN.LR": 0.0001,
    "TRAIN.BATCH_SIZE_PER_GPU": 2,
    "TRAIN.END_EPOCH": 1,
}


def options(folder: Path) -> list[str]:
    places = {"OUTPUT_DIR": folder / "output", "LOG_DIR": folder / "log", "DATASET.ROOT": folder / "data"}
    return [str(part) for pair in (SMALL | places).items() for part in pair]


def test_trained_weights_load_into_the_predict_form(tmp_path: Path) -> None:
    said = tool("train", *options(tmp_path))
    assert "epoch 1 of 1: loss " in said
    folder = tmp_path / "output" / "streets" / "pidnet_s" / "train"
    assert "trained for 1 epochs, best mIoU 0.0" in said
    model = build_model("pidnet_s", 19).eval()
    log = load_checkpoint(model, folder / "best.safetensors")
    assert "seghead_d" in log[1]
    assert torch.isfinite(model(torch.zeros(1, 3, 64, 64))).all()
    assert any((tmp_path / "log" / "streets" / "pidnet_s").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bisenetv2", "ddrnet23_slim"])
def test_networks_with_other_heads_train(name: str, tmp_path: Path) -> None:
    said = tool("train", *options(tmp_path), "MODEL.NAME", name, "NAME", name)
    assert "trained for 1 epochs" in said
    model = build_model(name, 19)
    load_checkpoint(model, tmp_path / "output" / "streets" / name / "train" / "best.safetensors")


@pytest.mark.slow
def test_a_detector_trains(tmp_path: Path) -> None:
    said = tool("train", *options(tmp_path), "MODEL.NAME", "yolov5n", "DATASET.DATASET", "streets_objects")
    assert "trained for 1 epochs, best mAP 0." in said
    folder = tmp_path / "output" / "streets_objects" / "pidnet_s" / "train"
    load_checkpoint(build_model("yolov5n", 8), folder / "best.safetensors")
    assert set(json.loads((folder / "history.json").read_text())[0]) >= {
        "box",
        "object",
        "class",
        "mean_ap",
        "class_ap",
    }


def test_a_network_for_another_task_is_not_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *options(tmp_path), "MODEL.NAME", "litehrnet18"]) == 2
    assert "MODEL.NAME litehrnet18 is a network for " in capsys.readouterr().err.splitlines()[-1]


def test_a_crop_that_the_network_cannot_divide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *options(tmp_path), "TRAIN.IMAGE_SIZE", "[100,60]"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("multiples of the network's stride 8; use 96,64")
    assert not (tmp_path / "log").exists()


def test_torchrun_starts_two_processes_and_one_of_them_speaks(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "qat.cli", "train"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--json", *options(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)  # one object, once
    assert Path(result["final"]).is_file()
    assert [record["epoch"] for record in result["history"]] == [1]
    assert done.stderr.count("epoch 1 of 1: loss") == 1


def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    said = tool("train", "MODEL.PRETRAINED", str(tmp_path / "none.pt"), code=2)
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert f"{tmp_path / 'none.pt'}; set MODEL.PRETRAINED to" in said
