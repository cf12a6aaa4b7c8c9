"""What a config says of a fine-tuning, also without labels: pictures alone are enough."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.errors import UserError
from qat.origin import Origin
from qat.training import DistContext
from qat.training.data import WithoutLabels, empty_label, has_labels
from qat.training.initial_graph import Start
from qat.workflow import fine_tuning
from qat.workflow.fine_tuning import make_fine_tuner, plan_of, settings_of
from qat.workflow.training import training_data
from tests.training.tiny import SIDE, tiny_pair

CPU = DistContext(torch.device("cpu"))
START = Start(scales_learn=True, equalised=False, reasons=("", ""))


@pytest.fixture
def unlabelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CfgNode:
    monkeypatch.delenv("CAMVID_ROOT", raising=False)
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8))
    (tmp_path / "list.txt").write_text("a.png\nb.png\n")
    values = {
        "DATASET.DATASET": "camvid",
        "DATASET.ROOT": tmp_path,
        "DATASET.TRAIN_SET": "list.txt",
        "DATASET.TEST_SET": "list.txt",
        "DATASET.NUM_CLASSES": 3,
        "DATASET.LABELS": "trainIds",
        "TRAIN.IMAGE_SIZE": [SIDE, SIDE],
        "TRAIN.BASE_SIZE": SIDE,
        "TRAIN.BATCH_SIZE_PER_GPU": 2,
        "WORKERS": 0,
        "OUTPUT_DIR": tmp_path / "output",
        "LOG_DIR": tmp_path / "log",
        "QAT.END_EPOCH": 1,
    }
    return load_config(None, [str(part) for pair in values.items() for part in pair])


def test_training_refuses_them_and_fine_tuning_ignores_every_pixel(unlabelled: CfgNode) -> None:
    train, _ = training_data(unlabelled)
    assert not has_labels(train)
    with pytest.raises(UserError, match="training needs labels"):
        train[0]
    train.transform = WithoutLabels(train.transform, empty_label("segmentation", 3))  # type: ignore[arg-type]
    sample = train[0]
    assert set(sample["label"].unique().tolist()) == {255}
    assert sample["edge"].sum() == 0
    assert sample["image"].shape == (3, SIDE, SIDE)


def test_the_tool_says_so_and_learns_from_float(
    unlabelled: CfgNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[int] = []
    monkeypatch.setattr(fine_tuning, "load_pair", lambda cfg, start, write: tiny_pair(start.scales_learn))
    monkeypatch.setattr(fine_tuning, "origin_of", lambda run, stage: Origin({}))
    monkeypatch.setattr(fine_tuning, "_keep", lambda config, start, prepared, epochs: kept.append(epochs))
    with caplog.at_level(logging.INFO):
        (record,) = make_fine_tuner(unlabelled, START, CPU).run()
    assert "list.txt has no labels: learning from the float network alone" in caplog.text
    assert "list.txt has no labels: no score on the way" in caplog.text
    assert record["labels"] == 0 < record["logits"]
    assert "mean_iou" not in record
    assert kept == [1]


@pytest.mark.parametrize("wanted", [False, True])
def test_fine_tuning_has_random_scales_of_its_own_choice(
    unlabelled: CfgNode, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    seen: list[bool] = []

    def watched(cfg: CfgNode) -> Any:
        seen.append(cfg.TRAIN.MULTI_SCALE)
        return training_data(cfg)

    monkeypatch.setattr(fine_tuning, "training_data", watched)
    monkeypatch.setattr(fine_tuning, "load_pair", lambda cfg, start, write: tiny_pair(start.scales_learn))
    monkeypatch.setattr(fine_tuning, "origin_of", lambda run, stage: Origin({}))
    cfg = with_values(unlabelled, {"QAT.MULTI_SCALE": wanted, "TRAIN.MULTI_SCALE": not wanted})
    make_fine_tuner(cfg, START, CPU)
    assert seen == [wanted]


def test_fine_tuning_takes_a_tenth_unless_told() -> None:
    assert plan_of(load_config(None, ["TRAIN.END_EPOCH", "968"])).epochs == 96
    assert plan_of(load_config(None, ["QAT.END_EPOCH", "7"])).epochs == 7


def test_an_older_checkpoints_settings_are_the_same_text() -> None:
    """Written before the workflow was a library; other text would start every interrupted run anew."""
    config = load_config(None, ["QAT.END_EPOCH", "2"])
    settings = settings_of(config, plan_of(config), Origin({"float weights sha256": "abc", "scales learn": True}))
    assert settings.difference(dict(line.split(": ", 1) for line in SETTINGS.splitlines())) is None
    assert len(settings.values) == SETTINGS.count("\n")


SETTINGS = """\
float weights sha256: abc
scales learn: True
plan: Plan(stage='qat', epochs=2, eval_every=1, ema=0.998, lr=5e-05, power=0.9, warmup=0, min_lr=1e-06)
TRAIN.IMAGE_SIZE: [1024, 1024]
TRAIN.BASE_SIZE: 2048
TRAIN.FLIP: True
TRAIN.SCALE_FACTOR: 16
TRAIN.COLOR: 0.0
TRAIN.BATCH_SIZE_PER_GPU: 8
TRAIN.SHUFFLE: True
TRAIN.SEED: 304
LOSS.USE_OHEM: True
LOSS.OHEMTHRES: 0.9
LOSS.OHEMKEEP: 100000
LOSS.CLASS_BALANCE: False
LOSS.BALANCE_WEIGHTS: [0.5, 0.5]
LOSS.SB_WEIGHTS: 0.5
"""
