"""Every call of the compiler gets what it documents, and a failure of any of them is one line that names it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import qat
from qat.backends import calibration
from qat.backends.horizon import HorizonBackend, Options
from qat.backends.horizon.build import HbmSettings, build

SIZE = (1, 3, 16, 32)
FILES = {"model.pt", "model.hbir", "model.hbm", "net.svg", "perf_out"}


@pytest.fixture
def script(stand_in: ModuleType) -> torch.jit.ScriptModule:
    torch.manual_seed(0)
    horizon = HorizonBackend(Options((0.5,) * 3, (0.5,) * 3))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    prepared = horizon.prepare(qat.rewrite(model, torch.zeros(SIZE), "j5"), qat.QuantSpec())
    calibration.calibrate(prepared, [torch.randn(SIZE)], observe=horizon.observe)
    return horizon.to_torchscript(horizon.for_device(prepared), torch.zeros(SIZE))


def make(script: torch.jit.ScriptModule, folder: Path, **settings: Any) -> dict[str, Any]:
    return build(script, torch.randn(SIZE), folder, HbmSettings(network="Net", picture="net.svg", **settings))


def test_all_artefacts_are_written(script: torch.jit.ScriptModule, tmp_path: Path) -> None:
    summary = make(script, tmp_path, opt="fast")["summary"]
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert {path.name for path in (tmp_path / "perf_out").iterdir()} == {"Net.json", "Net.html"}
    assert (tmp_path / "model.hbm").read_text() == "bayes ddr fast [(1, 3, 16, 32)]\n"
    assert len(summary["layer details"]) > 1


CODES = ("check_model", "export_hbir", "compile_model", "visualize_model", "perf_model")


@pytest.mark.parametrize("function", CODES)
def test_an_error_code_names_the_call(
    script: torch.jit.ScriptModule,
    stand_in: ModuleType,
    function: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*args: Any, **keywords: Any) -> int:
        return 3

    failing.__name__ = function
    monkeypatch.setattr(stand_in.quantization, function, failing)
    with pytest.raises(qat.UserError, match=f"the plugin's {function} returned 3, expected .*make check TARGET=j5"):
        make(script, tmp_path)


def test_what_the_compiler_raises_is_one_line(
    script: torch.jit.ScriptModule, stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_model(*args: Any, **keywords: Any) -> int:
        raise FileNotFoundError("hbdk-cc\nis not there")

    monkeypatch.setattr(stand_in.quantization, "compile_model", compile_model)
    with pytest.raises(qat.UserError, match="compile_model raised FileNotFoundError: hbdk-cc;") as caught:
        make(script, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", [{"fast_mode": True}, {"hybrid": True}], ids=str)
def test_fast_and_hybrid_conversions_do_not_compile(
    script: torch.jit.ScriptModule, stand_in: ModuleType, how: dict[str, bool], tmp_path: Path
) -> None:
    tools = stand_in.quantization
    model = nn.Sequential(tools.QuantStub(), nn.Conv2d(3, 2, 1)).eval()
    settings = {"": tools.qconfig.get_default_qconfig()}
    prepared = tools.prepare_qat_fx(model, settings, hybrid=how.get("hybrid", False)).eval()
    tools.set_fake_quantize(prepared, tools.FakeQuantState.CALIBRATION)
    prepared(torch.randn(SIZE))
    converted = tools.convert_fx(prepared, fast_mode=how.get("fast_mode", False))
    with pytest.raises(qat.UserError, match="check_model returned 1"):
        make(torch.jit.trace(converted, torch.randn(SIZE)), tmp_path)


def test_a_width_that_the_camera_has_not(script: torch.jit.ScriptModule, tmp_path: Path) -> None:
    with pytest.raises(qat.UserError, match="check_model returned 2"):
        build(script, torch.randn(1, 3, 16, 24), tmp_path, HbmSettings(input_source="pyramid"))
