"""Which keys decide a stage, read from a config."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from yacs.config import CfgNode

from qat.config import default_config, load_config
from qat.errors import UserError
from qat.files import write_text
from qat.stages import origin_of
from qat.workflow import run as workflow_run
from qat.workflow.run import NOT_DECIDING, invocation_of, invocation_of_stage, open_config, run_config, run_of
from tests.accuracy.runs import ROOT

CONFIG = ROOT / "configs" / "streets" / "pidnet_s.yaml"


def config(*options: str) -> CfgNode:
    return load_config(CONFIG, list(options))


def values(stage: str, *options: str) -> dict[str, Any]:
    return dict(origin_of(run_of(config(*options)), stage).values)


def test_every_quant_key_decides_but_those_named() -> None:
    names = {f"QUANT.{name}" for name in default_config().QUANT if name not in NOT_DECIDING}
    assert names <= set(values("calib"))
    assert not {f"QUANT.{name}" for name in NOT_DECIDING} & set(values("calib"))


@pytest.mark.parametrize(
    ("key", "value"), [("FROM", "calib"), ("GATE", "0.5"), ("SAVE_EVERY", "3"), ("BACKEND", "fx"), ("ENGINE", "x86")]
)
def test_these_keys_do_not_decide_the_calibration(key: str, value: str) -> None:
    assert values("calib", f"QUANT.{key}", value) == values("calib")


def test_the_engine_decides_int_infer_alone() -> None:
    assert values("int_infer", "QUANT.ENGINE", "x86") != values("int_infer", "QUANT.ENGINE", "fbgemm")
    for stage in ("float", "calib", "qat", "compiled"):
        assert values(stage, "QUANT.ENGINE", "x86") == values(stage, "QUANT.ENGINE", "fbgemm")


def test_a_key_that_is_new_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deciding keys were a list that a new method had to be added to."""
    defaults = default_config()
    defaults.QUANT.SOMETHING_NEW = 1
    monkeypatch.setattr(workflow_run, "default_config", lambda: defaults)
    changed = config().clone()
    changed.defrost()
    changed.QUANT.SOMETHING_NEW = 2
    origin = origin_of(run_of(changed), "calib")
    assert origin.values["QUANT.SOMETHING_NEW"] == 2
    difference = origin.difference({name: v for name, v in origin.values.items() if name != "QUANT.SOMETHING_NEW"})
    assert str(difference) == "QUANT.SOMETHING_NEW 1, now it is 2"  # an older record made it with the default


def test_a_key_that_an_older_record_lacks_counts_as_its_default() -> None:
    origin = origin_of(run_of(config()), "calib")
    older = {name: value for name, value in origin.values.items() if name != "QUANT.MAX_DROP"}
    assert origin.difference(older) is None
    now = origin_of(run_of(config("QUANT.MAX_DROP", "0.01")), "calib")
    assert str(now.difference(older)) == "QUANT.MAX_DROP 0.0, now it is 0.01"


def test_the_stage_folder_is_by_data_set_and_name() -> None:
    assert run_of(config("OUTPUT_DIR", "here")).folders.base == Path("here", "streets", "pidnet_s")


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
    assert named.advice("calib") == 'make calib CFG=configs/a.yaml OPTS="QUANT.SCHEME affine"'
