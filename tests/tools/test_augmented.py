"""eval honours TEST.FLIP_TEST and TEST.MULTI_SCALE for float, and says that other stages don't."""

from __future__ import annotations

import json

import pytest

from qat.cli.main import main


def test_float_has_a_second_score(tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--json", *tiny, "TEST.FLIP_TEST", "True", "TEST.NUM_IMAGES", "1"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert "not used" not in shown.err
    assert (found["augmented"]["title"], found["augmented"]["images"]) == ("flip", 1)
    assert 0 < found["augmented"]["mean_iou"] < 1
    plain = found["stages"]["float"]["mean_iou"]
    assert main(["eval", *tiny, "TEST.MULTI_SCALE", "True", "TEST.NUM_IMAGES", "1"]) == 0
    said = capsys.readouterr().out
    assert "float with scales 0.5, 0.75, 1.0, 1.25, 1.5, 1.75: MeanIU 0." in said
    assert f"MeanIU: {plain:.4f}" in said  # the stage itself is float as it is deployed


def test_other_stages_see_each_picture_once(tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calib", *tiny]) == 0
    assert main(["eval", "--stage", "calib", *tiny, "TEST.FLIP_TEST", "True"]) == 0
    shown = capsys.readouterr()
    assert "flip (TEST): of float alone; calib sees each picture once, as it is deployed" in shown.err
    assert "float with" not in shown.out
