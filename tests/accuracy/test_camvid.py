"""Real pictures: the shared CamVid checkpoint, its published float figures and what int8 keeps of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.runs import ROOT, all_stages

CHECKPOINT = ROOT.parent / "shared" / "pretrained" / "pidnet_s_camvid.pt"
FLOAT = {
    "Sky": 0.9307,
    "Building": 0.8547,
    "Pole": 0.0563,
    "Road": 0.9679,
    "Pavement": 0.8816,
    "Tree": 0.8984,
    "SignSymbol": 0.2432,
    "Fence": 0.6423,
    "Car": 0.6010,
    "Pedestrian": 0.4607,
    "Bicyclist": 0.6817,
}


@pytest.fixture(scope="module")
def stages(camvid_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    if not CHECKPOINT.is_file():
        pytest.skip(f"no CamVid checkpoint at {CHECKPOINT}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMVID_ROOT", str(camvid_root))
        patch.setenv("PIDNET_S_CAMVID", str(CHECKPOINT))
        return all_stages("camvid/pidnet_s.yaml", tmp_path_factory.mktemp("camvid"))


def test_float_equals_the_checkpoints_card(stages: dict[str, dict[str, Any]]) -> None:
    assert stages["float"]["mean_iou"] == pytest.approx(0.65623, abs=0.0005)
    assert stages["float"]["class_iou"] == pytest.approx(FLOAT, abs=0.0005)
    assert stages["float"]["images"] == 101


@pytest.mark.parametrize("stage", ["calib", "int_infer"])
def test_int8_keeps_the_accuracy(stages: dict[str, dict[str, Any]], stage: str) -> None:
    assert stages[stage]["mean_iou"] >= 0.995 * stages["float"]["mean_iou"]
    assert stages[stage]["pixels_changed"] <= 0.0045  # the best peer's 0.487 %; 0.33 % when this was written
    assert stages[stage]["logit_sqnr"] >= 30.5
