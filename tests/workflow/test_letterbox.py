"""A detection set of pictures of several sizes, between grey bars; its boxes are in the pictures' own pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.data import build_dataset
from qat.data.image_io import read_image
from qat.data.transforms import Normaliser
from qat.deploy.facts import facts_of
from qat.deploy.model import open_model
from qat.deploy.pictures import network_input
from qat.deploy.tasks import task_of as deploy_task
from qat.errors import UserError
from qat.evaluation.scorer import frame_of
from qat.evaluation.tasks.detection_boxes import in_pixels
from qat.stages import origin_of
from qat.workflow import calibrate, compile, debug, evaluate, infer, report
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.compilation import described
from qat.workflow.load import load_stage
from qat.workflow.network import task_of
from qat.workflow.run import run_of
from qat.workflow.settings import data_spec, fit_of, inference_transform
from tests.networks import registered
from tests.workflow.tiny_detector import TINY, TinyDetector

SIZES = {"landscape": (300, 200), "portrait": (75, 120), "right": (128, 96)}  # width, height
LABEL = "1 0.5 0.4 0.2 0.3\n"  # 60x60 pixels around 150, 80 of the landscape
DESCRIPTOR = """
name: sizes
images: images/{split}
labels: {boxes: "labels/{split}"}
classes: [{name: car, colour: [0, 0, 250]}, {name: bus, colour: [250, 0, 0]}]
splits: {train: all, val: all}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfgNode]:
    folder, rng = tmp_path_factory.mktemp("letterbox"), np.random.default_rng(0)
    for part in ("images", "labels"):
        (folder / part / "all").mkdir(parents=True)
    for name, size in SIZES.items():
        noise = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / "all" / f"{name}.png"), cv2.resize(noise, size))
        (folder / "labels" / "all" / f"{name}.txt").write_text(LABEL)
    (folder / "sizes.yaml").write_text(DESCRIPTOR)
    torch.manual_seed(0)
    network = TinyDetector(2)
    for head in network.heads:
        nn.init.normal_(head.weight, std=4.0)
    save_file(network.state_dict(), folder / "tiny.safetensors")
    options = {
        "MODEL.NAME": "tiny_detector",
        "DATASET.DATASET": folder / "sizes.yaml",
        "DATASET.ROOT": folder,
        "TEST.IMAGE_SIZE": "[128,96]",
        "TEST.MODEL_FILE": folder / "tiny.safetensors",
        "TEST.BATCH_SIZE_PER_GPU": 2,
        "OUTPUT_DIR": folder / "output",
        "QUANT.CALIB_IMAGES": 3,
        "QUANT.CALIB_BATCH_SIZE": 3,
        "COMPILE.RUNTIMES": "['ort']",
        "COMPILE.ARTEFACT": "model_float.onnx",
        "COMPILE.BENCH_ROUNDS": 0,
        "DEBUG.IMAGES": 3,
        "DEBUG.SENSITIVITY_IMAGES": 1,
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    with registered(TINY):
        yield load_config(None, [str(part) for pair in options.items() for part in pair])


@pytest.fixture(scope="module")
def calibrated(config: CfgNode) -> CfgNode:
    calibrate(config)
    return config


def paths(config: CfgNode) -> dict[str, Path]:
    return {name: Path(config.DATASET.ROOT, "images", "all", f"{name}.png") for name in SIZES}


def found_by_eval(config: CfgNode) -> dict[str, Any]:
    """Of float, each picture's boxes."""
    network, task, fit = load_stage(config, "float"), task_of(config), fit_of(config)
    prepare = Normaliser(config.DATASET.MEAN, config.DATASET.STD, fit=fit)
    found = {}
    for sample in build_dataset(data_spec(config), "val", inference_transform(config)):
        batch = {key: value[None] if hasattr(value, "shape") else [value] for key, value in sample.items()}
        with torch.inference_mode():
            outputs = network(prepare(batch["image"]))
        found[sample["name"].split("/")[-1]] = outputs, task.predict(outputs, frame_of(batch, fit, False, task))[0]
    return found


@pytest.mark.parametrize("size", [(128, 96), (120, 90)], ids=["a multiple", "padded too"])
def test_evaluation_and_deploy_give_the_same_boxes(config: CfgNode, size: tuple[int, int]) -> None:
    cfg = with_values(config, {"TEST.IMAGE_SIZE": list(size)})
    of_input = {"height": 96, "width": 128, "channels": 3, "type": "float", "batch": 1}
    facts = facts_of({**described(cfg), "input": of_input})
    network = load_stage(cfg, "float")
    for name, (outputs, boxes) in found_by_eval(cfg).items():
        picture = read_image(paths(cfg)[name], 3)
        x = network_input(picture, facts)
        with torch.inference_mode():
            again = [one.numpy() for one in network(torch.from_numpy(x))]
        np.testing.assert_allclose(again[0], outputs[0], atol=1e-4)  # of one input; its layout in memory differs
        found = deploy_task(facts).decode([one.numpy() for one in outputs], picture.shape[:2], facts)
        assert boxes.size == picture.shape[:2] == SIZES[name][::-1]
        assert len(found) > 3
        assert np.array_equal(found, boxes.shown)
        assert (found[:, 2] <= SIZES[name][0]).all()


def test_a_picture_of_the_right_size_is_as_with_pad(config: CfgNode) -> None:
    _, letterboxed = found_by_eval(config)["right"]
    assert config.TEST.FIT == "letterbox"
    _, padded = found_by_eval(with_values(config, {"TEST.FIT": "pad"}))["right"]
    assert np.array_equal(letterboxed.scored, padded.scored)
    assert np.array_equal(letterboxed.shown, padded.shown)


def test_calibration_sees_every_picture_between_bars_of_114(config: CfgNode) -> None:
    (batch,) = CalibrationPictures.of(config).batches()
    assert batch.shape == (3, 3, 96, 128)
    landscape, portrait, right = (batch * 255).round()
    assert (landscape[:, :5] == 114).all()  # 128x85, an odd number of rows
    assert (landscape[:, 90:] == 114).all()
    assert not (landscape[:, 5:90] == 114).all(0).any(1).all()
    assert (portrait[..., :34] == 114).all()  # 60x96
    assert (portrait[..., 94:] == 114).all()
    own = torch.from_numpy(read_image(paths(config)["right"], 3)).permute(2, 0, 1)
    assert torch.equal(right, own.float())


@pytest.mark.slow
def test_every_stage_and_the_file_take_them(calibrated: CfgNode, tmp_path: Path) -> None:
    for stage in ("float", "int_infer"):
        figures = evaluate(calibrated, stage=stage).stages[stage]
        assert figures["images"] == 3
        assert figures["mean_ap"] is not None
    entry = compile(calibrated).parity["model_float.onnx"]["ort"]
    assert (entry["status"], entry["boxes_changed"]) == ("ok", 0)
    assert evaluate(calibrated, stage="compiled").stages["compiled ort"]["boxes_changed"] < 0.01
    debug(calibrated)
    folder = Path(calibrated.OUTPUT_DIR) / "sizes" / calibrated.NAME
    model = open_model(next(folder.rglob("model_float.onnx")))
    written = infer(calibrated, source=Path(calibrated.DATASET.ROOT, "images"), output=tmp_path)
    assert written.boxes is not None
    rows = json.loads(written.boxes.read_text())
    for name, path in paths(calibrated).items():
        x1, y1, x2, y2 = model.run(read_image(path, 3)).T[:4]
        said = [row["bbox"] for row in rows if row["file_name"] == path.name]
        np.testing.assert_allclose(said, np.stack([x1, y1, x2 - x1, y2 - y1], 1), atol=0.02)
        drawn = cv2.imread(str(tmp_path / f"{name}.png"))
        assert drawn.shape[1] >= SIZES[name][0]
    assert "of the boxes change" in report(calibrated, stage="int_infer", images=3).path.read_text()


def test_without_it_calibration_says_what_takes_any_size(config: CfgNode) -> None:
    padded = with_values(config, {"TEST.FIT": "pad", "QUANT.CALIB_BATCH_SIZE": 1})
    with pytest.raises(UserError, match=r"picture is 300x200.*set TEST\.IMAGE_SIZE 300,200, or TEST\.FIT letterbox"):
        list(CalibrationPictures.of(padded).batches())


def test_labels_are_held_in_the_picture_s_pixels(config: CfgNode) -> None:
    dataset = build_dataset(data_spec(config), "val", inference_transform(config))
    truth = in_pixels(np.asarray(dataset[0]["label"]), found_by_eval(config)["landscape"][1].size)
    np.testing.assert_allclose(truth, [[1, 120, 50, 180, 110]], atol=1e-3)


def test_the_size_decides_float_s_outputs_too(config: CfgNode) -> None:
    before = origin_of(run_of(config), "float").values
    other = with_values(config, {"TEST.IMAGE_SIZE": [96, 96]})
    assert str(origin_of(run_of(other), "float").difference(before)).startswith("TEST.IMAGE_SIZE [128, 96]")


def test_another_task_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"TEST\.FIT is letterbox.* for detectors alone.* set TEST\.FIT pad or resize"):
        load_config("streets/pidnet_s", ["TEST.FIT", "letterbox"])
