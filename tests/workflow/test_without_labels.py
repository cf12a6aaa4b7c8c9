"""Pictures without labels: every stage is measured by its distance from float."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qat.cli.main import main
from qat.config import load_config
from qat.errors import UserError
from qat.workflow import evaluate, train
from tests.networks import TINY, registered, tiny_weights
from tests.workflow.dots import write_pictures

DESCRIPTOR = "{name: dots, images: 'images/{split}', classes: [ground, dot]}\n"
RUN = """
MODEL: {NAME: tiny}
DATASET: {DATASET: data/dots.yaml}
TEST: {IMAGE_SIZE: [128, 64], MODEL_FILE: tiny.safetensors}
TRAIN: {IMAGE_SIZE: [64, 64], BASE_SIZE: 128, BATCH_SIZE_PER_GPU: 2}
QAT: {END_EPOCH: 1}
DEVICE: cpu
WORKERS: 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_pictures(tmp_path / "data")
    (tmp_path / "data" / "dots.yaml").write_text(DESCRIPTOR)
    (tmp_path / "run.yaml").write_text(RUN)
    tiny_weights(tmp_path / "tiny.safetensors", 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_stage_is_held_against_float(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["COMPILE.RUNTIMES", "['ort']", "COMPILE.PARITY_IMAGES", "2", "COMPILE.BENCH_ROUNDS", "0"]
    with registered(TINY):
        for command in (
            ["eval"],
            ["calib"],
            ["eval", "--stage", "int_infer", "--gate", "0.5"],
            ["debug", "DEBUG.IMAGES", "1", "DEBUG.SENSITIVITY_IMAGES", "1"],
            ["qat"],
            ["eval", "--stage", "qat", "--gate", "0.5"],
            ["compile", *few],
            ["eval", "--stage", "compiled", "COMPILE.RUNTIME", "ort", "--gate", "0.5"],
            ["report"],
        ):
            assert main([command[0], "-c", "run.yaml", *command[1:]]) == 0, command
    base = folder / "output" / "dots" / "run"
    floating, int8 = (json.loads((base / stage / "metrics.json").read_text()) for stage in ("float", "int_infer"))
    assert floating["mean_iou"] is None
    assert set(floating["class_iou"].values()) == {None}
    assert 0 <= int8["pixels_changed"] < 0.2
    assert int8["logit_sqnr"] > 15
    shown = capsys.readouterr()
    assert f"keeps {1 - int8['pixels_changed']:.2%} of float's classes, pixel by pixel" in shown.out
    page = (base / "report" / "report.html").read_text()
    assert "The pictures have no labels" in page
    assert "None" not in page.split("<main>")[1].split("</section>")[0]


def test_the_gate_is_the_share_of_pixels_that_keep_float_s_class(folder: Path) -> None:
    with registered(TINY):
        assert main(["calib", "-c", "run.yaml"]) == 0
        config = load_config("run.yaml")
        kept = 1 - evaluate(config, stage="calib").stages["calib"]["pixels_changed"]
        assert evaluate(config, stage="calib", gate=kept).passed
        assert kept == 1 or not evaluate(config, stage="calib", gate=(1 + kept) / 2).passed


def test_training_says_that_it_needs_labels(folder: Path) -> None:
    with registered(TINY), pytest.raises(UserError, match=r"TRAIN_SET train of dots has no labels, from which"):
        train(load_config("run.yaml"))


def test_a_run_that_got_labels_later_is_not_compared_with_one_without(folder: Path) -> None:
    with registered(TINY):
        assert main(["eval", "-c", "run.yaml"]) == 0
        (folder / "data" / "dots.yaml").write_text(DESCRIPTOR.replace("classes", "labels: 'masks/{split}', classes"))
        assert main(["calib", "-c", "run.yaml"]) == 0
        assert evaluate(load_config("run.yaml"), stage="calib").stages["float"]["mean_iou"] is not None
