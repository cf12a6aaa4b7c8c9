"""Results belong to the content of pictures and labels, not to their names."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import cv2
import pytest
import torch

from qat.stages import CHECKPOINTS, PARTIAL, finished_stages
from qat.workflow import calibrate, evaluate
from qat.workflow import calibration as stage_calib
from qat.workflow.run import folders_of, run_of
from tests.faults.conftest import config, data


def test_another_root_s_float_figures_and_logits_are_not_taken(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    here, there = config(root), config(root, "DATASET.ROOT", str(data(root / "elsewhere", seed=1)))
    calibrate(here)
    first = evaluate(here, stage="calib").stages
    with caplog.at_level(logging.INFO):
        other = evaluate(there, stage="calib").stages
    assert "float isn't evaluated on these images yet" in caplog.text
    assert list(other) == ["float", "calib"]
    assert other["float"]["mean_iou"] != first["float"]["mean_iou"]
    assert other["float"]["measured_on"] != first["float"]["measured_on"]


def test_replaced_labels_are_measured_again_and_older_stages_left_out(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = config(root)
    calibrate(cfg)
    evaluate(cfg, stage="calib")
    label = cv2.imread(str(root / "data" / "0_label.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(root / "data" / "0_label.png"), 2 - label)
    with caplog.at_level(logging.INFO):
        stages = evaluate(cfg, stage="int_infer").stages
    assert list(stages) == ["float", "int_infer"]
    assert "calib has the labels (sha256)" in caplog.text


def test_figures_without_what_they_were_measured_on_are_an_older_version_s(root: Path) -> None:
    cfg = config(root)
    evaluate(cfg)
    folder = folders_of(cfg).stage("float")
    (folder / "evaluation.json").unlink()
    assert list(finished_stages(run_of(cfg))) == ["float"]


def test_a_calibration_does_not_go_on_over_changed_pictures(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = config(root)
    with monkeypatch.context() as patch:
        patch.setattr(stage_calib, "record_stage", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            calibrate(cfg)
    folder = folders_of(cfg).stage("calib")
    assert (folder / PARTIAL).is_file()
    data(root / "data", seed=5)
    calibrate(cfg)
    assert "starting anew: " in caplog.text
    assert "the pictures (sha256)" in caplog.text
    resumed = torch.load(folder / CHECKPOINTS["calib"], weights_only=True)["state_dict"]
    shutil.rmtree(root / "output")
    calibrate(cfg)
    fresh = torch.load(folder / CHECKPOINTS["calib"], weights_only=True)["state_dict"]
    assert all(torch.equal(resumed[name], fresh[name]) for name in fresh)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_views_are_written_out_again_and_never_believed(root: Path) -> None:
    cfg = config(root)
    calibrate(cfg)
    truth = evaluate(cfg, stage="calib").stages
    folder = folders_of(cfg).stage("calib")
    views = {name: (folder / name).read_bytes() for name in ("metrics.json", "manifest.json", "methods.json")}
    for name in views:
        (folder / name).write_text("{}")
    assert finished_stages(run_of(cfg)) == truth
    evaluate(cfg, stage="int_infer")
    assert {name: (folder / name).read_bytes() for name in views} == views
