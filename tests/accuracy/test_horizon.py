"""The tools end to end through the horizon backend, with the plugin's stand-in, beside fx on the same pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import configs
from qat.compile.horizon import horizon_compile
from qat.errors import UserError
from qat.stages import load_calibration
from tests.accuracy.runs import tool
from tests.contracts.fixture import PLUGIN, stand_in

__all__ = ["stand_in"]

STREETS = "configs/streets/pidnet_s.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A few streets; the stand-in imports in what the tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PLUGIN))
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
    row = horizon_compile(configs.load(STREETS, given), compiled)[0]
    assert (row.source, row.fps) == ("perf_model", 250.0)
    made = {str(path.relative_to(compiled)) for path in compiled.rglob("*") if path.is_file()}
    expected = {"int_model.pt", "model.hbir", "model.hbm", "pidnet-s.svg"}
    records = {"manifest.json", "config.yaml", "perf.json"}
    assert made == expected | records | {"perf_out/PIDNet.html", "perf_out/PIDNet.json"}
    (tmp_path / "board.log").write_text("Thread number is: 8\nAverage latency is: 32.0 ms\nFrame rate is: 249.2 FPS\n")
    assert "249.2" in tool("j5_perf", "--board", str(tmp_path / "board.log"), *given)
    assert json.loads((compiled / "perf.json").read_text())["model.hbm"]["hrt_model_exec"]["8"]["fps"] == 249.2


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
        load_calibration(configs.load(STREETS, options(data, horizon.parents[1], *changed)))


def test_check_asks_the_plugins_profiler(data: Path, tmp_path: Path) -> None:
    said = tool("check", *options(data, tmp_path, "TEST.IMAGE_SIZE", "256,128"))
    assert "qconfigs: " in said
    assert (tmp_path / "streets" / "pidnet_s" / "check" / "qconfig_info.txt").is_file()
