"""Pictures of other than three channels, .npy and TIFF with a page a channel, through every stage."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.cli.main import main
from qat.config import load_config
from qat.errors import UserError
from qat.workflow.load import load_float
from qat.workflow.network import channels_of

NET = """
import torch
from torch import nn

def build(channels):
    torch.manual_seed(1)
    first = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(first, nn.Conv2d(8, 2, 1), nn.UpsamplingBilinear2d(scale_factor=2))
"""
FEW = ["COMPILE.RUNTIMES", "['ort', 'torchscript']", "COMPILE.PARITY_IMAGES", "2", "COMPILE.BENCH_ROUNDS", "0"]


def write(folder: Path, channels: int, suffix: str) -> None:
    """Pictures in whose last channel the class is bright."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            mask = (rng.integers(0, 2, (4, 8)).repeat(8, 0).repeat(8, 1)).astype(np.uint8)
            picture = rng.integers(0, 60, (32, 64, channels), dtype=np.uint8)
            picture[..., -1] += 150 * mask
            (folder / "images" / split).mkdir(parents=True, exist_ok=True)
            (folder / "masks" / split).mkdir(parents=True, exist_ok=True)
            path = folder / "images" / split / f"{index}{suffix}"
            if suffix == ".npy":
                np.save(path, picture)
            elif suffix == ".tif":
                cv2.imwritemulti(str(path), [np.ascontiguousarray(picture[..., c]) for c in range(channels)])
            else:
                cv2.imwrite(str(path), picture)
            cv2.imwrite(str(folder / "masks" / split / f"{index}.png"), mask)
    descriptor = "{name: bands, images: 'images/{split}', labels: 'masks/{split}', classes: [dark, bright], "
    levels = f"mean: {[0.2] * channels}, std: {[0.25] * channels}}}\n"
    (folder / "bands.yaml").write_text(descriptor + levels)


def config(channels: int) -> str:
    return f"""
MODEL: {{NAME: "net.py:build", KWARGS: {{channels: {channels}}}}}
DATASET: {{DATASET: data/bands.yaml}}
TEST: {{IMAGE_SIZE: [64, 32], MODEL_FILE: ""}}
TRAIN: {{IMAGE_SIZE: [32, 32], BASE_SIZE: 64, BATCH_SIZE_PER_GPU: 2, END_EPOCH: 1, COLOR: 0.2}}
QAT: {{END_EPOCH: 1}}
DEVICE: cpu
WORKERS: 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


KINDS = {".npy of 5": (5, ".npy"), "TIFF of 4 pages": (4, ".tif"), "grey": (1, ".png"), ".npy of 16": (16, ".npy")}


@pytest.mark.parametrize("kind", KINDS)
def test_int8_takes_it(kind: str, folder: Path) -> None:
    channels, suffix = KINDS[kind]
    write(folder / "data", channels, suffix)
    (folder / "run.yaml").write_text(config(channels))
    assert load_float(load_config("run.yaml"))[0][0].in_channels == channels  # type: ignore[index]
    for command in (["check"], ["calib"], ["eval", "--stage", "int_infer", "--gate", "0.5"]):
        assert main([command[0], "-c", "run.yaml", *command[1:]]) == 0, command
    metrics = json.loads((folder / "output" / "bands" / "run" / "int_infer" / "metrics.json").read_text())
    assert metrics["logit_sqnr"] > 25


@pytest.mark.slow
def test_every_other_stage_takes_it_and_overlays_show_three(folder: Path) -> None:
    channels = 5
    write(folder / "data", channels, ".npy")
    (folder / "run.yaml").write_text(config(channels))
    for command in (
        ["train"],
        ["calib"],
        ["qat"],
        ["compile", *FEW],
        ["eval", "--stage", "compiled", "COMPILE.RUNTIME", "ort", "--gate", "0.5"],
        ["eval", "--stage", "compiled", "COMPILE.RUNTIME", "torchscript", "--gate", "0.5"],
        ["eval", "--stage", "qat", "--gate", "0.5"],
        ["infer", "--stage", "qat", "--input", "data/images/val"],
        ["report", "--stage", "qat"],
    ):
        assert main([command[0], "-c", "run.yaml", *command[1:]]) == 0, command
    drawn = cv2.imread(str(folder / "output" / "bands" / "run" / "qat" / "infer" / "0.png"))
    assert drawn.shape[2] == 3
    parity = json.loads((folder / "output" / "bands" / "run" / "compile" / "parity.json").read_text())
    assert parity["model_ort.onnx"]["ort"]["pixels_changed"] < 0.05


def test_files_of_other_channels_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "data", 5, ".npy")
    (folder / "run.yaml").write_text(config(4))
    levels = ["DATASET.MEAN", "[0.2, 0.2, 0.2, 0.2]", "DATASET.STD", "[0.2, 0.2, 0.2, 0.2]"]
    assert main(["calib", "-c", "run.yaml", *levels]) == 2
    assert "holds uint8 32x64x5; expected uint8, height x width x 4" in capsys.readouterr().err
    assert main(["calib", "-c", "run.yaml"]) == 2
    assert "to have 4 channels, but got 5 channels" in capsys.readouterr().err


def test_who_takes_three_says_so(folder: Path) -> None:
    write(folder / "data", 4, ".npy")
    (folder / "run.yaml").write_text(config(4))
    with pytest.raises(UserError, match=r"pidnet_s takes 3 channels and DATASET\.MEAN has 4 numbers"):
        channels_of(load_config("run.yaml", ["MODEL.NAME", "pidnet_s"]))
    with pytest.raises(UserError, match=r"QUANT\.TARGET j5 takes pictures of 3 channels and DATASET\.MEAN has 4"):
        channels_of(load_config("run.yaml", ["QUANT.TARGET", "j5"]))
    with pytest.raises(UserError, match=r"DATASET\.MEAN has 3 numbers and DATASET\.STD 4; expected one a channel"):
        load_config("run.yaml", ["DATASET.MEAN", "[0.1, 0.1, 0.1]"])


def test_levels_of_0_to_255_are_named(folder: Path) -> None:
    with pytest.raises(UserError, match=r"MEAN is \[123\.675.*; these are levels of 0 to 255: \[0\.485, 0\.456,"):
        load_config(None, ["DATASET.MEAN", "[123.675,116.28,103.53]", "DATASET.STD", "[58.395,57.12,57.375]"])
