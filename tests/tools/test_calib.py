"""`make calib` with the methods that a config switches on, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qat.stages import CHECKPOINTS, EQUALISED
from tests.accuracy.runs import ROOT, tool
from tests.networks import TINY, registered, tiny_weights

CONFIG = str(ROOT / "configs" / "streets" / "pidnet_s.yaml")
SMALL = ["QUANT.CALIB_IMAGES", "2", "QUANT.HELD_OUT_IMAGES", "2", "TEST.NUM_IMAGES", "4"]
PICTURES = ["DATASET.STREETS_TRAIN", "6", "DATASET.STREETS_VAL", "4", "WORKERS", "0"]
METHODS = {  # all but ADAROUND, the slowest, which tests/accuracy/test_camvid.py runs
    "EQUALISE": "True",
    "OBSERVER": "auto",
    "RECONSTRUCT": "True",
    "RECONSTRUCT_STEPS": "2",
    "BIAS_CORRECTION": "True",
    "MAX_DROP": "0.5",
}
ALL = [word for key, value in METHODS.items() for word in (f"QUANT.{key}", value)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("calib")
    tiny_weights(folder / "tiny.safetensors", num_classes=19)
    with registered(TINY):
        yield folder


def options(root: Path, output: str, *more: str) -> list[str]:
    where = ["DATASET.ROOT", str(root / "data"), "OUTPUT_DIR", str(root / output)]
    network = ["MODEL.NAME", TINY.name, "TEST.MODEL_FILE", str(root / "tiny.safetensors")]
    return ["-c", CONFIG, *network, *SMALL, *PICTURES, *where, *more]


def metrics(root: Path, output: str, stage: str) -> dict[str, Any]:
    return json.loads((root / output / "streets" / "pidnet_s" / stage / "metrics.json").read_text())


@pytest.fixture(scope="module")
def tuned(root: Path) -> Path:
    """Methods together."""
    said = tool("calib", *options(root, "tuned", *ALL))
    assert "equalised" in said
    assert "chosen" in said
    assert "mixed precision: none needed" in said
    return root / "tuned" / "streets" / "pidnet_s" / "calib"


def test_each_method_says_what_it_did(tuned: Path) -> None:
    record = json.loads((tuned / "methods.json").read_text())
    assert list(record) == ["EQUALISE", "OBSERVER", "RECONSTRUCT", "BIAS_CORRECTION", "MAX_DROP"]
    assert all(done["seconds"] > 0 for done in record.values())
    assert record["EQUALISE"]["groups"]
    assert len(record["OBSERVER"]["tried"]) > 10
    assert {path.name for path in tuned.iterdir()} == {
        *("config.yaml", "manifest.json", "methods.json", "qparams.json", "images.txt"),
        *(CHECKPOINTS["calib"], EQUALISED),
    }


def test_later_stages_get_it_for_free(root: Path, tuned: Path) -> None:
    for stage in ("calib", "int_infer"):
        tool("eval", "--stage", stage, *options(root, "tuned", *ALL))
    calib, int8 = metrics(root, "tuned", "calib"), metrics(root, "tuned", "int_infer")
    assert calib["logit_sqnr"] > 15
    assert abs(int8["logit_sqnr"] - calib["logit_sqnr"]) < 3


def test_a_run_that_was_killed_does_not_repeat_what_is_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = ["QUANT.EQUALISE", "True", "QUANT.BIAS_CORRECTION", "True"]
    folder = root / "killed" / "streets" / "pidnet_s" / "calib"
    with monkeypatch.context() as patch:
        patch.setattr("qat.workflow.calibration.record_stage", _interrupt)
        tool("calib", *options(root, "killed", *some), code=130)
    assert not (folder / CHECKPOINTS["calib"]).exists()
    record = (folder / "methods.json").read_text()
    assert "going on after 2 batches" in tool("calib", *options(root, "killed", *some))
    assert (folder / "methods.json").read_text() == record  # with the seconds that the first run took
    assert list(json.loads(record)) == ["EQUALISE", "BIAS_CORRECTION"]


def test_pictures_of_another_size_are_one_line(root: Path) -> None:
    said = tool("calib", *options(root, "none", "TEST.IMAGE_SIZE", "128,64"), code=2)
    assert "a training picture is 512x256" in said.splitlines()[-1]
    assert "set TEST.IMAGE_SIZE 512,256" in said.splitlines()[-1]


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_no_picture_left_to_judge_on(root: Path) -> None:
    said = tool("calib", *options(root, "none", "QUANT.OBSERVER", "auto", "QUANT.CALIB_IMAGES", "6"), code=2)
    assert "calibration takes all 6 training pictures" in said.splitlines()[-1]
