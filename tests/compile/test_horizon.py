"""The board's files appear whole or not at all, and take what the board feeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from yacs.config import CfgNode

import qat
from qat.backends import calibration
from qat.compile.horizon import device_example
from qat.config import load_config, with_values
from qat.data.transforms import centred_yuv_to_rgb
from qat.files import read_json, sha256
from qat.workflow import compilation as stage
from qat.workflow.load import example_input
from qat.workflow.settings import backend_choice

FILES = ["int_model.pt", "model.hbir", "model.hbm", "perf_out", "pidnet-s.svg"]
RECORDS = ["config.yaml", "manifest.json", "perf.json"]
ALL = sorted(FILES + RECORDS)
Given = Callable[..., CfgNode]


@pytest.fixture
def given(stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Given:
    """A config whose calibrated network is a tiny one; it compiles into `folder`."""

    def config(*options: str) -> CfgNode:
        weights = ["TEST.MODEL_FILE", "assets/pidnet_s_streets.safetensors"]
        cfg = load_config(None, ["QUANT.TARGET", "j5", "TEST.IMAGE_SIZE", "32,16", *weights, *options])
        return with_values(cfg, {"OUTPUT_DIR": str(tmp_path), "NAME": "tiny"})

    monkeypatch.setattr(stage, "load_calibration", calibrated)

    return config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "streets" / "tiny" / "compile"


def calibrated(cfg: CfgNode, size: list[int]) -> nn.Module:
    torch.manual_seed(0)
    backend = backend_choice(cfg).backend
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()
    prepared = backend.prepare(qat.rewrite(model, example_input(cfg, size), "j5"), qat.QuantSpec())
    calibration.calibrate(prepared, [example_input(cfg, size)], observe=backend.observe)
    return prepared


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_files_and_the_estimate(given: Given, folder: Path) -> None:
    done = stage.compile(given("COMPILE.OPT", "O3", "COMPILE.JOBS", "2"))
    assert names(folder) == ALL
    assert names(folder.parent) == ["compile", "programs.json"]
    assert (folder / "model.hbm").read_text() == "bayes ddr O3 [(1, 3, 16, 32)]\n"
    assert [(row.source, row.latency_ms, row.fps) for row in done.board] == [("perf_model", 4.0, 250.0)]


def test_the_records(given: Given, folder: Path) -> None:
    stage.compile(given())
    manifest, perf = (read_json(folder / name) for name in ("manifest.json", "perf.json"))
    assert manifest["backend"]["name"] == manifest["made_from"]["backend"] == "horizon"
    for name, record in manifest["artefacts"].items():
        assert record["sha256"] == sha256(folder / name)
    assert perf["model.hbm"]["perf_model"]["1"]["fps"] == 250.0


def test_another_size_and_a_second_run(given: Given, folder: Path) -> None:
    for size in ("16,32", "32,48"):
        stage.compile(given("COMPILE.INPUT_SIZE", size))
    assert names(folder) == ALL
    assert "(1, 3, 32, 48)" in (folder / "model.hbm").read_text()


@pytest.mark.parametrize("function", ["check_model", "export_hbir", "compile_model", "perf_model"])
def test_a_failure_leaves_what_was_there(
    given: Given, stand_in: ModuleType, folder: Path, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.compile(given())
    before = (folder / "int_model.pt").stat().st_mtime_ns

    def failing(*args: object, **keywords: object) -> int:
        return 1

    failing.__name__ = function
    monkeypatch.setattr(stand_in.quantization, function, failing)
    with pytest.raises(qat.UserError, match=f"{function} returned 1"):
        stage.compile(given())
    assert names(folder.parent) == ["compile", "programs.json"]
    assert names(folder) == ALL
    assert (folder / "int_model.pt").stat().st_mtime_ns == before


def test_pyramid_takes_the_cameras_colours(given: Given, folder: Path) -> None:
    cfg = given("COMPILE.INPUT_SOURCE", "pyramid")
    stage.compile(cfg)
    yuv = device_example(example_input(cfg), "pyramid")
    assert yuv.min() >= -128
    assert yuv.max() <= 127
    assert torch.equal(yuv, yuv.round())
    rgb = centred_yuv_to_rgb(yuv) / 255
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (cfg.DATASET.MEAN, cfg.DATASET.STD))
    with torch.no_grad():
        host = backend_choice(cfg).backend.convert(calibrated(cfg, [32, 16]))((rgb - mean) / std)
        board = torch.jit.load(str(folder / "int_model.pt"))(yuv)
    assert (host - board).abs().max() < 0.1 * host.abs().max()
    assert (host - board).square().mean() < 1e-3 * host.square().mean()


def test_a_folder_that_cannot_be_written(given: Given, tmp_path: Path) -> None:
    (tmp_path / "streets").write_text("")
    with pytest.raises(qat.UserError, match=r"streets is a file; choose another"):
        stage.compile(given())
