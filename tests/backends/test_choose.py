"""QUANT.BACKEND auto|fx|horizon, with and without the plugin."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

import qat
from qat.backends.select import Choice
from qat.config import load_config
from qat.files import sha256
from qat.stages import origin_of
from qat.workflow.run import folders_of, run_of, twin
from qat.workflow.settings import backend_choice

STREETS = "configs/streets/pidnet_s.yaml"


def choose(target: str, wanted: str) -> Choice:
    return backend_choice(load_config(None, ["QUANT.TARGET", target, "QUANT.BACKEND", wanted]))


@pytest.mark.parametrize(
    ("target", "wanted", "name"),
    [("x86", "auto", "fx"), ("j5", "auto", "horizon"), ("j5", "fx", "fx"), ("j5", "horizon", "horizon")],
)
def test_with_the_plugin(stand_in: ModuleType, target: str, wanted: str, name: str) -> None:
    choice = choose(target, wanted)
    assert choice.backend.name == name
    assert str(choice).startswith(f"backend {name}")
    assert (choice.version == stand_in.__version__) == (name == "horizon")


@pytest.mark.parametrize("target", ["x86", "j5"])
def test_without_the_plugin(target: str) -> None:
    choice = choose(target, "auto")
    assert choice.backend.name == "fx"
    assert ("doesn't import" in choice.reason) == (target == "j5")


def test_a_plugin_that_breaks_on_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "horizon_plugin_pytorch", None)
    with pytest.raises(qat.UserError, match=r"needs horizon_plugin_pytorch, which doesn't import \(.*vendor's Docker"):
        choose("j5", "horizon")


def test_horizon_is_for_j5() -> None:
    with pytest.raises(qat.UserError, match=r"for QUANT\.TARGET j5, which is x86; set QUANT.TARGET j5"):
        choose("x86", "horizon")


@pytest.mark.parametrize(("stage", "scaled"), [("calib", "calib"), ("qat", "qat"), ("int_infer", "calib")])
def test_a_stage_knows_its_backend_and_whose_weights_it_has(
    stand_in: ModuleType, tmp_path: Path, stage: str, scaled: str
) -> None:
    given = ["QUANT.TARGET", "j5", "OUTPUT_DIR", str(tmp_path)]
    cfg, key = load_config(STREETS, given), f"backend fx's {scaled} (sha256)"
    ours = dict(origin_of(run_of(load_config(STREETS, [*given, "QUANT.BACKEND", "fx"])), stage).values)
    expected = ours | {"backend": "horizon", "COMPILE.INPUT_SOURCE": "ddr", key: "missing"}
    assert origin_of(run_of(cfg), stage).values == expected
    tuned = folders_of(twin(cfg)).checkpoint(scaled)
    tuned.parent.mkdir(parents=True)
    tuned.write_bytes(b"weights")
    assert origin_of(run_of(cfg), stage).values == expected | {key: sha256(tuned)}
