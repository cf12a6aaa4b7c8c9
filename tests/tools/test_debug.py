"""make debug on two small pictures: JSON of the agreed form, tables, advice; mistakes are one line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import fx
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.scales import keep_spec
from qat.cli.main import main
from qat.config import load_config
from qat.files import sha256
from qat.stages import origin_of
from qat.workflow import load
from qat.workflow.debugging import debug
from qat.workflow.run import folders_of, run_of
from qat.workflow.settings import quant_spec

ROOT = Path(__file__).resolve().parents[2]
CFG = str(ROOT / "configs" / "streets" / "pidnet_s.yaml")
SIZE = (128, 64)
MEASURES = {"sqnr_db", "relative_l2", "cosine", "max_steps"}


def write_pictures(root: Path) -> None:
    """Two pictures with labels in split val, one without in split test."""
    rng = np.random.default_rng(0)
    for split, names in (("val", ("a", "b")), ("test", ("c",))):
        for name in names:
            picture = root / "leftImg8bit" / split / "city" / f"{name}_000000_000000_leftImg8bit.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(picture), rng.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8))
            label = root / "gtFine" / split / "city" / f"{name}_000000_000000_gtFine_labelIds.png"
            if split == "val":
                label.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(label), rng.choice([7, 11, 26], SIZE[::-1]).astype(np.uint8))


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("debug")
    write_pictures(folder / "pictures")
    data = ["DATASET.DATASET", "cityscapes", "DATASET.ROOT", str(folder / "pictures"), "DATASET.TEST_SET", "val"]
    size = ["TEST.IMAGE_SIZE", f"[{SIZE[0]}, {SIZE[1]}]", "WORKERS", "0", "OUTPUT_DIR", str(folder / "out")]
    return [*data, *size, "DEBUG.IMAGES", "1", "DEBUG.SENSITIVITY_IMAGES", "1"]


@pytest.fixture(scope="module")
def plain(options: list[str]) -> fx.GraphModule:
    """The prepared graph, made once; a calibration of it lies where the tool looks."""
    cfg = load_config(CFG, options)
    prepared, _ = load.load_prepared(cfg, prove=False)
    observed = copy.deepcopy(prepared)
    calibration.calibrate(observed, [torch.randn(1, 3, *SIZE[::-1], generator=torch.Generator().manual_seed(0))])
    calibration.save_calibration(observed, folders_of(cfg).checkpoint("calib"), 1, origin_of(run_of(cfg), "calib"))
    return prepared


@pytest.fixture(autouse=True)
def _prepared_once(monkeypatch: pytest.MonkeyPatch, plain: fx.GraphModule) -> None:
    def load_prepared(config: CfgNode, **_: object) -> tuple[fx.GraphModule, None]:
        prepared = copy.deepcopy(plain)
        keep_spec(prepared, quant_spec(config))
        return prepared, None

    monkeypatch.setattr(load, "load_prepared", load_prepared)


def run(*options: str) -> int:
    return main(["debug", "-c", CFG, *options])


def debug_folder(options: list[str]) -> Path:
    return folders_of(load_config(CFG, options)).stage("debug")


def read(options: list[str], name: str) -> Any:
    return json.loads((debug_folder(options) / name).read_text())


def test_everything(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*options, "DEBUG.LAYERS", "['relu_2', 'conv1_0']") == 0
    shown = capsys.readouterr().out
    for title in ("Isolated error", "Accumulated error, int_infer", "Sensitivity", "Ranges", "qconfig check"):
        assert title in shown
    layers = read(options, "layers.json")
    names = {pair: [row["name"] for row in content["layers"]] for pair, content in layers["pairs"].items()}
    assert names["calib"] == names["int_infer"]
    assert len(names["calib"]) > 100
    assert set(layers["pairs"]["calib"]["layers"][0]["accumulated"]) == MEASURES
    assert [row["name"] for row in read(options, "ranges.json")["layers"]] == names["calib"]
    sensitivity = read(options, "sensitivity.json")
    assert [row["name"] for row in sensitivity["layers"]] == ["conv1_0", "relu_2"]
    assert sensitivity["groups"]["all"]["mean_iou"] is not None
    assert {item["check"] for item in read(options, "qconfig.json")["items"]} == {"unfused BN"}
    cfg = load_config(CFG, options)
    made_from = read(options, "manifest.json")["made_from"]
    assert sha256(folders_of(cfg).checkpoint("calib")) in made_from.values()
    folder = debug_folder(options)
    assert "isolated SQNR (dB)" in (folder / "graph.html").read_text()
    assert "qint8, 32 scales" in (folder / "qconfig_info.txt").read_text()
    commands = [step["command"] for step in read(options, "advice.json")["steps"]]
    assert commands
    assert all(command in shown for command in commands)


def test_from_a_notebook_and_without_labels(
    options: list[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[tuple[int, int, str]] = []
    config = load_config(CFG, [*options, "DATASET.TEST_SET", "test", "DEBUG.LAYERS", "['conv1_0']"])
    diagnosis = debug(config, lambda *step: steps.append(step))
    assert capsys.readouterr().out == ""
    assert "no labels in DATASET.TEST_SET test: no score" in caplog.text
    assert steps == [(1, 1, "layer errors: "), (1, 2, "sensitivity: "), (2, 2, "sensitivity: ")]
    assert diagnosis.measured.sensitivity == read(options, "sensitivity.json")
    groups = read(options, "sensitivity.json")["groups"]
    assert groups["all"]["mean_iou"] is None
    assert groups["all"]["sqnr_db"] is not None
    assert all(f"CFG={diagnosis.folder}/config.yaml" in step["command"] for step in diagnosis.steps)


def test_as_one_object(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", *options, "DEBUG.SENSITIVITY_IMAGES", "0", "QUANT.ENGINE", "program") == 0
    shown = capsys.readouterr()
    assert "int_infer's layers are those of program" in shown.err
    result = json.loads(shown.out)
    assert result["measured"]["layers"] == read(options, "layers.json")
    assert result["measured"]["sensitivity"] is None
    assert result["steps"] == read(options, "advice.json")["steps"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            ["DEBUG.IMAGES", "3"],
            "error: DEBUG.IMAGES is 3 and DATASET.TEST_SET val has 2 images; set DEBUG.IMAGES 2 or less\n",
        ),
        (["DEBUG.LAYERS", "['relu_22']"], "error: no layer is called relu_22; did you mean relu_2?\n"),
        (["OUTPUT_DIR", "nowhere"], "run make calib first\n"),
        (["TEST.IMAGE_SIZE", "[256, 64]"], "run make calib again\n"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(
    options: list[str],
    wrong: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = debug_folder(options)
    before = sorted(folder.glob("*")) if folder.is_dir() else None
    assert run(*options, *wrong) == 2
    lines = capsys.readouterr().err.splitlines(keepends=True)
    assert lines[-1].endswith(message)
    assert lines[-1].startswith("error: ")
    assert (sorted(folder.glob("*")) if folder.is_dir() else None) == before
