"""The accuracy regression on Cityscapes, where the data set and the official checkpoint are.

Set CITYSCAPES_DATASET (leftImg8bit/, gtFine/) and PIDNET_S_CITYSCAPES (PIDNet_S_Cityscapes_val.pt). The figures are
those of Horizon's published PIDNet-on-J5 walkthrough; the tolerance of 0.3 points allows for another calibration list.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.runs import all_stages

PUBLISHED = {"float": 0.7876, "calib": 0.7871, "int_infer": 0.7874}
TOLERANCE = 0.003


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    root, checkpoint = os.environ.get("CITYSCAPES_DATASET"), os.environ.get("PIDNET_S_CITYSCAPES")
    if not root or not Path(root, "leftImg8bit", "val").is_dir():
        pytest.skip("CITYSCAPES_DATASET names no folder with leftImg8bit/val")
    if not checkpoint or not Path(checkpoint).is_file():
        pytest.skip("PIDNET_S_CITYSCAPES names no checkpoint file")
    return all_stages("cityscapes/pidnet_s.yaml", tmp_path_factory.mktemp("cityscapes"), "TEST.MODEL_FILE", checkpoint)


@pytest.mark.parametrize("stage", PUBLISHED)
def test_against_the_published_walkthrough(stages: dict[str, dict[str, Any]], stage: str) -> None:
    assert stages[stage]["images"] == 500
    assert stages[stage]["mean_iou"] == pytest.approx(PUBLISHED[stage], abs=TOLERANCE)
