from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from qat.models import build_model, load_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def run_train(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "train.py"), *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_trained_weights_load_into_the_predict_form(tmp_path: Path) -> None:
    values = {
        "OUTPUT_DIR": tmp_path / "output",
        "LOG_DIR": tmp_path / "log",
        "WORKERS": 0,
        "DATASET.ROOT": tmp_path / "data",
        "DATASET.STREETS_TRAIN": 2,
        "DATASET.STREETS_VAL": 1,
        "TRAIN.IMAGE_SIZE": "[128,128]",
        "TRAIN.LR": 0.0001,
        "TRAIN.BATCH_SIZE_PER_GPU": 2,
        "TRAIN.END_EPOCH": 1,
    }
    done = run_train(*(str(part) for pair in values.items() for part in pair))
    assert done.returncode == 0, done.stderr
    assert "epoch 1 of 1: loss " in done.stderr
    model = build_model("pidnet_s", 19).eval()
    log = load_checkpoint(model, tmp_path / "output" / "streets" / "pidnet_s" / "train" / "best.safetensors")
    assert "seghead_d" in log[1]
    assert torch.isfinite(model(torch.zeros(1, 3, 64, 64))).all()
    assert any((tmp_path / "log" / "streets" / "pidnet_s").iterdir())


def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = run_train("MODEL.PRETRAINED", str(tmp_path / "none.pt"))
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"error: no checkpoint at {tmp_path / 'none.pt'}; set MODEL.PRETRAINED to a .pt, .pth or .safetensors file"
    )
