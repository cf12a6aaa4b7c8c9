"""A tiny pose network through the stages, on streets' persons with their points."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from yacs.config import CfgNode

from qat.config import load_config
from qat.errors import UserError
from qat.models.litehrnet import NETWORKS
from qat.workflow import calibrate, compile, debug, evaluate, finetune, infer, report, train
from tests.networks import registered

LUCKY = 3  # a seed whose peaks hit a few of the points


class TinyPose(nn.Module):
    """Two convolutions to a quarter of the size, and one for the heat maps."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.head = nn.Conv2d(16, points, 1)

    def forward(self, x: Tensor) -> Tensor:
        heat: Tensor = self.head(self.down(x))
        return heat


TINY = replace(NETWORKS[0], name="tiny_pose", build=lambda points, _: TinyPose(points))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfgNode]:
    folder = tmp_path_factory.mktemp("keypoints")
    torch.manual_seed(LUCKY)
    save_file(TinyPose(7).state_dict(), folder / "tiny.safetensors")
    options = {
        "MODEL.NAME": "tiny_pose",
        "DATASET.DATASET": "streets_persons",
        "DATASET.ROOT": folder / "data",
        "DATASET.STREETS_TRAIN": 4,
        "DATASET.STREETS_VAL": 3,
        "TRAIN.IMAGE_SIZE": "[96,128]",
        "TRAIN.BATCH_SIZE_PER_GPU": 2,
        "TRAIN.END_EPOCH": 1,
        "TEST.IMAGE_SIZE": "[96,128]",
        "TEST.MODEL_FILE": folder / "tiny.safetensors",
        "OUTPUT_DIR": folder / "output",
        "LOG_DIR": folder / "log",
        "QUANT.CALIB_IMAGES": 2,
        "COMPILE.RUNTIMES": "['ort']",
        "COMPILE.BENCH_ROUNDS": 0,
        "COMPILE.PARITY_IMAGES": 2,
        "DEBUG.IMAGES": 1,
        "DEBUG.SENSITIVITY_IMAGES": 1,
        "WORKERS": 0,
    }
    with registered(TINY):
        yield load_config(None, [str(part) for pair in options.items() for part in pair])


@pytest.fixture(scope="module")
def calibrated(config: CfgNode) -> CfgNode:
    calibrate(config)
    return config


@pytest.mark.slow
def test_every_stage_has_its_scores(calibrated: CfgNode) -> None:
    for stage in ("float", "calib", "int_infer"):
        figures = evaluate(calibrated, stage=stage).stages[stage]
        assert figures["class_pck"].keys() >= {"head", "left_foot"}
        assert 0 <= figures["pck"] < 0.5
        assert 0 < figures["oks"] < 0.5
        assert figures["oks_ap"] <= figures["oks"]
    assert figures["mean_shift"] < 20
    assert figures["logit_sqnr"] > 15


@pytest.mark.slow
def test_training_learns_heat_maps_and_scores_them(config: CfgNode) -> None:
    done = train(config)
    assert done.title == "PCK"
    assert 0 <= done.best_score <= 1
    assert done.best.is_file()


@pytest.mark.slow
def test_fine_tuning_learns_from_labels_and_float_and_int8_starts_from_it(calibrated: CfgNode, tmp_path: Path) -> None:
    shutil.copytree(calibrated.OUTPUT_DIR, tmp_path / "output")
    cfg = calibrated.clone()
    cfg.merge_from_list(["OUTPUT_DIR", str(tmp_path / "output"), "QAT.END_EPOCH", 2, "QAT.EVAL_EVERY", 2])
    first, last = finetune(cfg).history
    assert last["logits"] < first["logits"]
    assert last["labels"] > 0
    assert "pck" in last
    evaluate(cfg, stage="float")
    assert evaluate(cfg, stage="int_infer").stages["int_infer"]["logit_sqnr"] > 15


@pytest.mark.slow
def test_debug_and_the_compiled_file(calibrated: CfgNode) -> None:
    done = debug(calibrated)
    everything = json.loads((done.folder / "sensitivity.json").read_text())["groups"]["all"]
    assert {"pck", "points_moved", "sqnr_db"} <= set(everything)
    entry = compile(calibrated).parity["model_float.onnx"]["ort"]
    assert (entry["status"], entry["points_moved"]) == ("ok", 0)


@pytest.mark.slow
def test_the_report_draws_the_persons_that_change(calibrated: CfgNode) -> None:
    evaluate(calibrated, stage="calib")
    page = report(calibrated, stage="calib", images=1).path.read_text()
    assert "of the points change" in page
    assert page.count('data-layer="truth"') == 1


def picture_of(config: CfgNode) -> Path:
    evaluate(config, stage="float")
    return next(Path(config.DATASET.ROOT).rglob("*000001_leftImg8bit.png"))


def drawn_size(path: Path) -> tuple[int, ...]:
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture.shape


@pytest.mark.slow
def test_persons_are_drawn_in_the_whole_picture(config: CfgNode, tmp_path: Path) -> None:
    picture = picture_of(config)
    labels = next(Path(config.DATASET.ROOT).rglob("keypoints")) / f"{picture.parts[-3]}.json"
    whole, boxed = (
        infer(config, source=picture, output=tmp_path / name, boxes=boxes).pictures[0]
        for name, boxes in (("whole", None), ("boxed", labels))
    )
    assert drawn_size(whole) == drawn_size(boxed)
    assert (cv2.imread(str(whole)) != cv2.imread(str(boxed))).any()


def test_logits_are_of_a_whole_picture(config: CfgNode, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    (written,) = infer(config, source=tmp_path / "a.png", output=tmp_path / "out", logits=True).pictures
    assert np.load(written).shape == (7, 32, 24)
    with pytest.raises(UserError, match="--logits and --boxes are two things"):
        infer(config, source=tmp_path / "a.png", output=tmp_path / "out", logits=True, boxes=tmp_path / "b.json")


@pytest.mark.parametrize(
    ("boxes", "options", "reason"),
    [
        (
            [{"file_name": "b.png", "bbox": [1, 2, 3, 4]}],
            {},
            r"boxes\.json has no box of .*a\.png or another of the pic",
        ),
        ([{"file_name": "a.png", "bbox": [1, 2]}], {}, r"bbox \[1, 2\] \(number 0\) isn't one; expected a JSON list"),
        (
            [{"file_name": "a.png", "bbox": [1, 2, 3, 4]}],
            {"name": "pidnet_s"},
            "--boxes is for key points and MODEL.NAME",
        ),
    ],
)
def test_boxes_that_are_of_no_use_are_one_line(
    config: CfgNode, tmp_path: Path, boxes: object, options: dict[str, str], reason: str
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    cfg = load_config("streets/pidnet_s") if options else config
    with pytest.raises(UserError, match=reason):
        infer(cfg, source=tmp_path / "a.png", output=tmp_path / "out", boxes=tmp_path / "boxes.json")
    assert not (tmp_path / "out").exists()


def test_another_number_of_points_is_one_line(config: CfgNode) -> None:
    cfg = config.clone()
    cfg.merge_from_list(["DATASET.NUM_CLASSES", 5])
    with pytest.raises(UserError, match=r"val\.json has 7 points a person; DATASET.NUM_CLASSES is 5"):
        evaluate(cfg, stage="float")
