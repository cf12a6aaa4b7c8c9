"""The embedded default, against its baseline: every stage, every class."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from qat.evaluation.baseline import read_baseline
from qat.evaluation.metrics import known_classes
from tests.accuracy.runs import ROOT, all_stages, regressed, tool

STREETS = "streets/pidnet_s.yaml"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streets")


@pytest.fixture(scope="module")
def options(output: Path) -> list[str]:
    return ["DATASET.ROOT", str(output / "data")]


@pytest.fixture(scope="module")
def stages(output: Path, options: list[str]) -> dict[str, dict[str, Any]]:
    """Of a run that holds the shipped baseline."""
    return regressed(STREETS, output / "output", *options)


def test_every_class_is_in_the_baseline(stages: dict[str, dict[str, Any]]) -> None:
    rows = read_baseline(ROOT / "baselines" / STREETS).stages
    for stage, metrics in stages.items():
        assert {f"IoU {name}" for name in known_classes(metrics)} <= rows[stage].keys()


def test_a_rerun_gives_the_same_metrics(output: Path, options: list[str]) -> None:
    few = [*options, "QUANT.CALIB_IMAGES", "6", "TEST.NUM_IMAGES", "4"]
    once, again = (all_stages(STREETS, output / name, *few) for name in ("once", "again"))
    for stage, metrics in once.items():
        for key in ("mean_iou", "pixel_acc", "mean_acc", "class_iou", "pixels_changed", "logit_sqnr"):
            assert again[stage].get(key) == metrics.get(key)


def test_a_calibration_of_another_config_is_refused(stages: dict[str, Any], output: Path, options: list[str]) -> None:
    place = ["OUTPUT_DIR", str(output / "output" / "regress")]
    common = ["--stage", "int_infer", "-c", f"configs/{STREETS}", *place, *options]
    said = tool("eval", *common, "QUANT.OBSERVER", "min_max", code=2)
    assert "was made with QUANT.OBSERVER percentile, now it is min_max; run make calib again" in said
    assert "Traceback" not in said


def test_the_gate_fails_the_run(stages: dict[str, Any], output: Path, options: list[str], tmp_path: Path) -> None:
    better = shutil.copytree(output / "output" / "regress", tmp_path / "output")
    (path,) = better.rglob("float/metrics.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mean_iou": 1.0}))
    common = ["-c", f"configs/{STREETS}", "OUTPUT_DIR", str(better), *options]
    assert "below the gate" in tool("eval", "--stage", "int_infer", "--gate", "1", *common, code=1)


def test_infer_draws_beside_float(stages: dict[str, Any], output: Path, options: list[str]) -> None:
    picture = next((output / "data").rglob("leftImg8bit/val/*/*.png"))
    common = ["-c", f"configs/{STREETS}", "OUTPUT_DIR", str(output / "output" / "regress"), *options]
    tool("infer", "--stage", "int_infer", "--input", str(picture), "--output", str(output / "drawn"), *common)
    assert [path.name for path in (output / "drawn").iterdir()] == [f"{picture.stem}.png"]
