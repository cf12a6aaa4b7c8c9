"""make report as a user runs it, on two small generated pictures."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.accuracy.runs import tool

CFG = "configs/streets/pidnet_s.yaml"


@pytest.fixture(scope="module")
def options(tiny: list[str]) -> list[str]:
    return ["-c", CFG, *tiny[2:]]


def report(options: list[str]) -> str:
    output = Path(options[options.index("OUTPUT_DIR") + 1])
    return unescape((output / "streets" / "tiny" / "report" / "report.html").read_text(encoding="utf-8"))


def test_before_float_is_evaluated_it_is_one_line(options: list[str], tmp_path: Path) -> None:
    said = tool("report", *options, "OUTPUT_DIR", str(tmp_path), code=2)
    assert re.fullmatch(r"error: no evaluated float stage .*; run make eval STAGE=float first\n", said)


def test_a_negative_number_of_pictures_is_one_line(options: list[str]) -> None:
    assert tool("report", "--images", "-1", *options, code=2) == "error: --images -1; expected 0 or more\n"


def test_float_first_then_the_worst_pictures_of_calib(options: list[str]) -> None:
    tool("eval", "--stage", "float", *options)
    tool("report", *options)
    assert f"Stage int_infer isn't evaluated yet. <code>make eval STAGE=int_infer CFG={CFG}</code>" in report(options)
    tool("calib", *options)
    tool("eval", "--stage", "calib", *options)
    tool("report", "--stage", "calib", "--images", "1", *options)
    shown = report(options)
    assert shown.count("data:image/jpeg;base64,") == 6  # one picture: five layers and a thumbnail
    assert "calib keeps" in shown
    tool("report", "--images", "0", *options)
    assert "Left out by --images 0." in report(options)
