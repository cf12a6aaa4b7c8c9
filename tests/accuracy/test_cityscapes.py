"""The accuracy regression on Cityscapes, where the data set and the official checkpoint are.

Set CITYSCAPES_DATASET (leftImg8bit/, gtFine/) and PIDNET_S_CITYSCAPES (PIDNet_S_Cityscapes_val.pt). The baseline has
the figures of Horizon's published PIDNet-on-J5 walkthrough; without the data set it is only read.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qat.evaluation.baseline import read_baseline
from tests.accuracy.runs import ROOT, regressed


def test_regress(tmp_path: Path) -> None:
    root, checkpoint = os.environ.get("CITYSCAPES_DATASET"), os.environ.get("PIDNET_S_CITYSCAPES")
    if not root or not Path(root, "leftImg8bit", "val").is_dir():
        pytest.skip("CITYSCAPES_DATASET names no folder with leftImg8bit/val")
    if not checkpoint or not Path(checkpoint).is_file():
        pytest.skip("PIDNET_S_CITYSCAPES names no checkpoint file")
    stages = regressed("cityscapes/pidnet_s.yaml", tmp_path, "TEST.MODEL_FILE", checkpoint)
    assert stages["float"]["images"] == 500


def test_the_published_figures() -> None:
    found = read_baseline(ROOT / "baselines" / "cityscapes" / "pidnet_s.yaml")
    assert {stage: rows["mean_iou"].value for stage, rows in found.stages.items()} == {
        "float": 0.7876,
        "calib": 0.7871,
        "int_infer": 0.7874,
    }
    assert found.stages["float"]["mean_iou"].tolerance == 0.0005
    assert all(found.stages[stage]["share_of_float"].value == 0.999 for stage in ("calib", "int_infer"))
    assert (found.gate, found.images) == (0.99, 500)
