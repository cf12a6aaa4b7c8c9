"""The tools end to end through the horizon backend, with the plugin's stand-in, beside fx on the same pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from qat.backends.bn_folding import layers
from qat.config import load_config
from qat.errors import UserError
from qat.stages import source_of
from qat.workflow.compilation import compile as compile_stage
from qat.workflow.load import load_calibration, load_float
from qat.workflow.run import run_of, twin
from tests.accuracy import runs
from tests.contracts.fixture import PLUGIN, plugged, stand_in
from tests.ptq.rescaling import rescale

__all__ = ["stand_in"]

STREETS = "configs/streets/pidnet_s.yaml"


def tool(name: str, *args: str, code: int = 0) -> str:
    """`runs.tool` where the plugin imports."""
    with plugged():
        return runs.tool(name, *args, code=code)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A few streets; the stand-in imports in what the tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PLUGIN), prepend=os.pathsep)
        patch.setenv("OMP_NUM_THREADS", "1")
        yield tmp_path_factory.mktemp("streets")


def options(data: Path, output: Path, *more: str) -> list[str]:
    few = "DATASET.STREETS_TRAIN 6 DATASET.STREETS_VAL 4 QUANT.CALIB_IMAGES 6 WORKERS 0 QUANT.TARGET j5"
    return [*few.split(), "DATASET.ROOT", str(data), "OUTPUT_DIR", str(output), *more]


@pytest.fixture(scope="module")
def horizon(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("horizon")
    chosen = tool("calib", *options(data, output))
    assert "backend horizon 1.8.2+stand-in: QUANT.TARGET is j5 and horizon_plugin_pytorch imports" in chosen
    tool("eval", "--stage", "calib", *options(data, output))
    tool("eval", "--stage", "int_infer", *options(data, output))
    return output / "streets" / "pidnet_s"


@pytest.fixture(scope="module")
def fx(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output, ours = tmp_path_factory.mktemp("fx"), ("QUANT.TARGET", "x86")
    tool("calib", *options(data, output, *ours))
    assert "backend fx: QUANT.TARGET is x86" in tool("eval", "--stage", "int_infer", *options(data, output, *ours))
    return output / "streets" / "pidnet_s"


def metrics(folder: Path, stage: str) -> dict[str, Any]:
    return json.loads((folder / stage / "metrics.json").read_text())


@pytest.mark.parametrize("stage", ["calib", "int_infer"])
def test_accuracy_is_near_floats_and_fxs(horizon: Path, fx: Path, stage: str) -> None:
    found, ours = metrics(horizon, stage), metrics(fx, "int_infer")
    assert found["mean_iou"] == pytest.approx(ours["mean_iou"], abs=0.01)
    assert found["mean_iou"] > 0.98 * metrics(horizon, "float")["mean_iou"]
    assert found["pixels_changed"] < 0.015
    assert found["logit_sqnr"] > 20


def test_the_manifest_records_the_backend(horizon: Path, fx: Path) -> None:
    for folder, name in ((horizon, "horizon"), (fx, "fx")):
        for stage in ("calib", "int_infer"):
            manifest = json.loads((folder / stage / "manifest.json").read_text())
            assert manifest["backend"]["name"] == name
    scales = json.loads((horizon / "calib" / "qparams.json").read_text())
    assert {row["zero_point"] for row in scales.values()} == {0}


def test_the_boards_files(stand_in: ModuleType, horizon: Path, data: Path, tmp_path: Path) -> None:
    given, compiled = options(data, horizon.parents[1]), horizon / "compile"
    row = compile_stage(load_config(STREETS, given)).board[0]
    assert (row.source, row.fps) == ("perf_model", 250.0)
    made = {str(path.relative_to(compiled)) for path in compiled.rglob("*") if path.is_file()}
    expected = {"int_model.pt", "model.hbir", "model.hbm", "pidnet-s.svg"}
    records = {"manifest.json", "config.yaml", "perf.json"}
    assert made == expected | records | {"perf_out/PIDNet.html", "perf_out/PIDNet.json"}
    (tmp_path / "board.log").write_text("Thread number is: 8\nAverage latency is: 32.0 ms\nFrame rate is: 249.2 FPS\n")
    assert "249.2" in tool("board", "--log", str(tmp_path / "board.log"), *given)
    assert json.loads((compiled / "perf.json").read_text())["model.hbm"]["hrt_model_exec"]["8"]["fps"] == 249.2


def test_debug_asks_the_vendors_tools_and_looks_at_the_twin(horizon: Path, data: Path) -> None:
    few = ("DEBUG.IMAGES", "1", "DEBUG.SENSITIVITY_IMAGES", "0")
    said = tool("debug", *options(data, horizon.parents[1], *few))
    assert f"qconfigs: {horizon / 'debug' / 'qconfig_info.txt'}" in said
    assert f"compare_weights, model_profiler: {horizon / 'debug'}" in said
    assert all(f"By the plugin's tools, {stage}" in said for stage in ("calib", "int_infer"))
    assert (horizon / "debug" / "profiler_FvsQ" / "profiler.html").is_file()
    folder = horizon.parents[1] / "fx" / "streets" / "pidnet_s" / "debug"
    assert len(json.loads((folder / "layers.json").read_text())["pairs"]["calib"]["layers"]) > 60


POOR = ("QUANT.OBSERVER", "min_max", "QUANT.WEIGHT_OBSERVER", "min_max")


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The street network with the same function and channels of very different sizes."""
    path = tmp_path_factory.mktemp("spoilt") / "spoilt.safetensors"
    save_file(rescale(load_float(load_config(STREETS)), seed=0, power=5).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def tuned(data: Path, spoilt: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The spoilt network through the plugin, equalised, rounded adaptively and fine-tuned for one epoch of crops."""
    output = tmp_path_factory.mktemp("tuned")
    methods = ("TEST.MODEL_FILE", str(spoilt), *POOR, "QUANT.EQUALISE", "True", "QUANT.BIAS_CORRECTION", "True")
    short = ("QAT.END_EPOCH", "1", "TRAIN.IMAGE_SIZE", "[256,128]", "TRAIN.BATCH_SIZE_PER_GPU", "2", "QAT.LR", "1e-4")
    given = options(data, output, *methods, *short, "LOG_DIR", str(output / "log"))
    assert f"the methods run on backend fx, in {output / 'fx'}" in tool("calib", *given)
    tool("eval", "--stage", "calib", *given)
    tool("finetune", *given)
    tool("eval", "--stage", "qat", *given)
    tool("eval", "--stage", "int_infer", *given)
    return output / "streets" / "pidnet_s", given


def test_without_methods_the_spoilt_network_is_lost(data: Path, spoilt: Path, tmp_path: Path) -> None:
    given = options(data, tmp_path, "TEST.MODEL_FILE", str(spoilt), *POOR)
    tool("calib", *given)
    tool("eval", "--stage", "calib", *given)
    assert metrics(tmp_path / "streets" / "pidnet_s", "calib")["logit_sqnr"] < 10


@pytest.mark.parametrize("stage", ["calib", "qat", "int_infer"])
def test_what_backend_fx_tuned_reaches_the_plugin(tuned: tuple[Path, list[str]], stage: str) -> None:
    found = metrics(tuned[0], stage)
    assert found["logit_sqnr"] > 18
    assert found["mean_iou"] > 0.97 * metrics(tuned[0], "float")["mean_iou"]


@pytest.mark.parametrize("stage", ["calib", "qat"])
def test_weights_are_the_twins_on_the_same_levels(
    stand_in: ModuleType, tuned: tuple[Path, list[str]], stage: str
) -> None:
    cfg = load_config(STREETS, tuned[1])
    ours, theirs = load_calibration(twin(cfg), stage=stage), load_calibration(cfg, stage=stage)
    compared = 0
    for name, core in layers(ours):
        layer = theirs.get_submodule(name)
        assert torch.equal(layer.weight, core.weight)
        if hasattr(core, "weight_scale"):
            assert torch.equal(
                layer.weight_fake_quant.scale, core.weight_scale.expand_as(layer.weight_fake_quant.scale)
            )
            compared += 1
    assert compared > 60
    assert source_of(run_of(cfg)) == "qat"


def test_fine_tuning_needs_the_plugins_calibration(data: Path, tmp_path: Path) -> None:
    last = tool("finetune", *options(data, tmp_path), code=2).strip().splitlines()[-1]
    missing = tmp_path / "streets" / "pidnet_s" / "calib" / "calib-checkpoint-last.ckpt"
    assert last == f"error: no calibration at {missing}; run make calib first"


@pytest.mark.parametrize(
    ("option", "said"),
    [(("QUANT.OBSERVER", "auto"), "QUANT.OBSERVER auto"), (("QUANT.MAX_DROP", "0.01"), "QUANT.MAX_DROP")],
)
def test_what_only_fx_has_is_one_line(data: Path, tmp_path: Path, option: tuple[str, str], said: str) -> None:
    last = tool("calib", *options(data, tmp_path, *option), code=2).strip().splitlines()[-1]
    assert last.startswith(f"error: {said} works on backend fx, and this run takes horizon; set QUANT.BACKEND fx")
    assert not (tmp_path / "streets").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("QUANT.BACKEND", "fx"), r"belongs to another graph \(another QUANT.BACKEND"),
        (("COMPILE.INPUT_SOURCE", "pyramid"), "made with COMPILE.INPUT_SOURCE ddr, now it is pyramid"),
    ],
)
def test_another_calibration_is_refused(
    stand_in: ModuleType, horizon: Path, data: Path, changed: tuple[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        load_calibration(load_config(STREETS, options(data, horizon.parents[1], *changed)))


def test_check_asks_the_plugins_profiler(data: Path, tmp_path: Path) -> None:
    said = tool("check", *options(data, tmp_path, "TEST.IMAGE_SIZE", "256,128"))
    assert "qconfigs: " in said
    assert (tmp_path / "streets" / "pidnet_s" / "check" / "qconfig_info.txt").is_file()
