"""QUANT.BACKEND auto|fx|horizon, with and without the plugin."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from torch import nn
from torch.fx import symbolic_trace

import qat
from qat.backends.fx.backend import as_graph
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


def test_what_a_backend_can_do_is_asked_not_its_name(stand_in: ModuleType) -> None:
    ours, theirs = choose("x86", "auto").backend, choose("j5", "auto").backend
    assert (ours.inspects, ours.takes_over, ours.board) == (False, None, None)
    assert theirs.inspects
    assert theirs.takes_over is theirs
    assert theirs.board is theirs
    assert theirs.board.runs_here == (".pt",)


def test_another_backends_network_is_not_looked_at_as_fxs() -> None:
    """Its nodes would be read as if nothing in it were rounded."""
    with pytest.raises(qat.UserError, match="needs a network that backend fx has prepared"):
        as_graph(symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 1))))


@pytest.mark.parametrize("room", ["analysis", "cli", "compile", "config", "ptq", "report", "training", "workflow"])
def test_no_other_room_knows_a_backend_by_its_class_or_name(room: str) -> None:
    files = (Path(qat.__file__).parent / room).rglob("*.py")
    named = re.compile(r"HorizonBackend|FxBackend|[=!]= \"(fx|horizon)\"")
    assert [path.name for path in files if named.search(path.read_text(encoding="utf-8"))] == []
