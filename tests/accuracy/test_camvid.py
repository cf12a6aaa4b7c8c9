"""Real pictures: the shared CamVid checkpoint against its baseline, the card's float figures and what int8 keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.accuracy.runs import ROOT, regressed

CHECKPOINT = ROOT.parent / "shared" / "pretrained" / "pidnet_s_camvid.pt"


def test_regress(camvid_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CHECKPOINT.is_file():
        pytest.skip(f"no CamVid checkpoint at {CHECKPOINT}")
    monkeypatch.setenv("CAMVID_ROOT", str(camvid_root))
    monkeypatch.setenv("PIDNET_S_CAMVID", str(CHECKPOINT))
    assert regressed("camvid/pidnet_s.yaml", tmp_path)["float"]["images"] == 101
