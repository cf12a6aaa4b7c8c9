"""--run takes what a run has resolved, wherever its folder lies now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qat.config import load_config
from qat.errors import UserError
from qat.files import write_text
from qat.workflow.config import open_config, run_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = load_config(None, ["NAME", "mine", "QUANT.OBSERVER", "mse", "OUTPUT_DIR", str(tmp_path / "out")])
    base = tmp_path / "out" / "streets" / "mine"
    write_text(base / "calib" / "config.yaml", config.dump())
    return base


@pytest.mark.parametrize("part", ["", "calib"])
def test_a_runs_folder_or_a_stages(folder: Path, part: str) -> None:
    config = run_config(folder / part)
    assert (config.NAME, config.QUANT.OBSERVER) == ("mine", "mse")
    assert Path(config.OUTPUT_DIR) == folder.parent.parent


def test_a_run_that_was_moved_writes_where_it_lies_now(folder: Path, tmp_path: Path) -> None:
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    config = open_config("", str(tmp_path / "elsewhere" / "streets" / "mine"), ["QUANT.OBSERVER", "kl"])
    assert Path(config.OUTPUT_DIR) == tmp_path / "elsewhere"
    assert config.QUANT.OBSERVER == "kl"


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no run: no config\.yaml"):
        run_config(tmp_path)


def test_a_run_under_another_name(folder: Path) -> None:
    shutil.move(folder, folder.with_name("other"))
    with pytest.raises(UserError, match=r"doesn't lie in streets/mine, as its config\.yaml says"):
        run_config(folder.with_name("other"))
