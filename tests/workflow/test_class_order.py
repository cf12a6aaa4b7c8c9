"""A checkpoint whose outputs are the classes in another order is told with the likely order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from qat.cli.main import main
from tests.data.conftest import save
from tests.networks import TINY, learnt_net, registered

RUN = """
MODEL: {NAME: tiny}
DATASET: {DATASET: data/colours.yaml}
TEST: {IMAGE_SIZE: [32, 32], MODEL_FILE: tiny.safetensors}
DEVICE: cpu
WORKERS: 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture that is red, green and blue, a network that knows them in that order, and a run."""
    label = np.repeat(np.arange(3, dtype=np.uint8), (10, 12, 10))[:, None].repeat(32, 1)
    rgb = (np.eye(3, dtype=np.uint8) * 255)[label]
    save(tmp_path / "data/images/val/a.png", np.ascontiguousarray(rgb[:, :, ::-1]))
    save(tmp_path / "data/labels/val/a.png", label)
    (tmp_path / "run.yaml").write_text(RUN)
    save_file(learnt_net().state_dict(), tmp_path / "tiny.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(folder: Path, order: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    ids = {"red": 0, "green": 1, "blue": 2}
    classes = ", ".join(f"{{name: {name}, id: {ids[name]}}}" for name in order.split())
    patterns = "images: 'images/{split}', labels: 'labels/{split}'"
    (folder / "data/colours.yaml").write_text(f"{{name: colours, {patterns}, classes: [{classes}]}}\n")
    with registered(TINY):
        assert main(["eval", "-c", "run.yaml", *options]) == 0
    shown = capsys.readouterr()
    assert "MeanIU: " in shown.out
    return shown.err


def test_another_order_is_said_with_the_likely_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in said(folder, "blue red green", capsys).splitlines() if "another order" in line)
    assert "with red, green, blue; name the data set" in line


def test_the_right_order_is_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "another order" not in said(folder, "red green blue", capsys)


def test_official_keys_that_do_nothing_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official = ["GPUS", "(0,1)", "PIN_MEMORY", "False", "TRAIN.EXTRA_EPOCH", "8", "TEST.OUTPUT_INDEX", "1"]
    lines = [line for line in said(folder, "red green blue", capsys, *official).splitlines() if "not used" in line]
    assert len(lines) == 1
    assert all(part in lines[0] for part in ("PIN_MEMORY False (", "TRAIN.EXTRA_EPOCH 8 (", "GPUS (0, 1) ("))
    assert "1 trains at a batch of 8, where 2 have 16" in lines[0]
    assert "OUTPUT_INDEX" not in lines[0]
