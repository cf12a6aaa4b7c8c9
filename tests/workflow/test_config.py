"""--run takes what a run has resolved, wherever its folder lies now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qat.config import load_config
from qat.errors import UserError
from qat.files import write_text
from qat.workflow.config import invocation_of, invocation_of_stage, open_config, run_config


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


def test_a_moved_run_is_named_so_that_the_name_opens_it(folder: Path, tmp_path: Path) -> None:
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    run, options = str(tmp_path / "elsewhere" / "streets" / "mine"), ["QUANT.SCHEME", "affine"]
    config = open_config("", run, options)
    named = invocation_of(config, "unused.yaml", run, options)
    assert open_config(named.config, options=named.options) == config


def test_a_run_that_nobody_named_is_named_by_a_stage(folder: Path) -> None:
    config = run_config(folder)
    named = invocation_of_stage(config, "calib")
    assert open_config(named.config) == config


def test_a_config_file_is_named_as_it_was() -> None:
    named = invocation_of(load_config(None), "configs/a.yaml", options=["QUANT.SCHEME", "affine"])
    assert named.make("calib") == 'make calib CFG=configs/a.yaml OPTS="QUANT.SCHEME affine"'
