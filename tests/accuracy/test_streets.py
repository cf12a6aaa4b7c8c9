"""The embedded default, as `make demo` runs it: the gate of each stage's mIoU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.runs import all_stages, tool

STREETS = "streets/pidnet_s.yaml"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streets")


@pytest.fixture(scope="module")
def options(output: Path) -> list[str]:
    return ["DATASET.ROOT", str(output / "data")]


@pytest.fixture(scope="module")
def stages(output: Path, options: list[str]) -> dict[str, dict[str, Any]]:
    return all_stages(STREETS, output / "output", *options)


def test_float_has_learnt_every_class(stages: dict[str, dict[str, Any]]) -> None:
    assert stages["float"]["mean_iou"] >= 0.70
    assert min(stages["float"]["class_iou"].values()) >= 0.25
    assert stages["float"]["images"] == 32


@pytest.mark.parametrize("stage", ["calib", "int_infer"])
def test_int8_keeps_the_accuracy(stages: dict[str, dict[str, Any]], stage: str) -> None:
    assert stages[stage]["mean_iou"] >= 0.995 * stages["float"]["mean_iou"]
    assert stages[stage]["pixels_changed"] <= 0.01
    assert stages[stage]["logit_sqnr"] >= 20


def test_a_rerun_gives_the_same_metrics(stages: dict[str, Any], output: Path, options: list[str]) -> None:
    again = all_stages(STREETS, output / "again", *options)
    for stage, metrics in stages.items():
        for key in ("mean_iou", "pixel_acc", "mean_acc", "class_iou", "pixels_changed", "logit_sqnr"):
            assert again[stage].get(key) == metrics.get(key)


def test_a_calibration_of_another_config_is_refused(stages: dict[str, Any], output: Path, options: list[str]) -> None:
    common = ["--stage", "int_infer", "-c", f"configs/{STREETS}", "OUTPUT_DIR", str(output / "output"), *options]
    said = tool("eval", *common, "QUANT.OBSERVER", "min_max", code=2)
    assert "was made with QUANT.OBSERVER percentile, now it is min_max; run make calib again" in said
    assert "Traceback" not in said


def test_the_gate_fails_the_run(stages: dict[str, Any], output: Path, options: list[str], tmp_path: Path) -> None:
    better = shutil.copytree(output / "output", tmp_path / "output")
    (path,) = better.rglob("float/metrics.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mean_iou": 1.0}))
    common = ["-c", f"configs/{STREETS}", "OUTPUT_DIR", str(better), *options]
    assert "below the gate" in tool("eval", "--stage", "int_infer", "--gate", "1", *common, code=1)


def test_infer_draws_beside_float(stages: dict[str, Any], output: Path, options: list[str]) -> None:
    picture = next((output / "data").rglob("leftImg8bit/val/*/*.png"))
    common = ["-c", f"configs/{STREETS}", "OUTPUT_DIR", str(output / "output"), *options]
    tool("infer", "--stage", "int_infer", "--input", str(picture), "--output", str(output / "drawn"), *common)
    assert [path.name for path in (output / "drawn").iterdir()] == [f"{picture.stem}.png"]
