"""A tiny detector through the stages, on pictures without labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from yacs.config import CfgNode

from qat.config import load_config
from qat.data.person_boxes import read_boxes
from qat.errors import UserError
from qat.evaluation.tasks.detection_boxes import PictureBoxes
from qat.workflow import calibrate, compile, debug, evaluate, finetune, infer, report
from qat.workflow.network import task_of
from qat.workflow.predictor import Predictor
from tests.networks import registered
from tests.workflow.tiny_detector import TINY, TinyDetector


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfgNode]:
    folder = tmp_path_factory.mktemp("detection")
    torch.manual_seed(0)
    network = TinyDetector(8)
    for head, bias in zip(network.heads, (-60.0, -60.0, -4.0), strict=True):  # boxes at stride 32 alone
        nn.init.normal_(head.weight, std=8.0)
        head.bias.data[4] = bias
    (folder / "bare.yaml").write_text("{name: bare, like: streets_objects, folder: streets, unlabelled: [val]}")
    save_file(network.state_dict(), folder / "tiny.safetensors")
    options = {
        "MODEL.NAME": "tiny_detector",
        "DATASET.DATASET": folder / "bare.yaml",
        "DATASET.ROOT": folder / "data",
        "DATASET.STREETS_TRAIN": 2,
        "DATASET.STREETS_VAL": 2,
        "TRAIN.IMAGE_SIZE": "[512,256]",
        "TRAIN.BATCH_SIZE_PER_GPU": 2,
        "TEST.IMAGE_SIZE": "[512,256]",
        "TEST.MODEL_FILE": folder / "tiny.safetensors",
        "LOG_DIR": folder / "log",
        "OUTPUT_DIR": folder / "output",
        "QUANT.CALIB_IMAGES": 2,
        "COMPILE.RUNTIMES": "['ort']",
        "COMPILE.BENCH_ROUNDS": 0,
        "COMPILE.PARITY_IMAGES": 1,
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


def test_the_anchors_are_the_checkpoint_s(config: CfgNode) -> None:
    (boxes,) = task_of(config).predict([torch.zeros(1, 13, side, side) for side in (4, 2, 1)], _frame())
    sizes = {tuple(row) for row in (boxes.scored[:, 2:4] - boxes.scored[:, :2]).round().tolist()}
    assert sizes <= {(16, 24), (32, 32), (96, 96)} | {(w, h) for w in range(97) for h in range(97) if min(w, h) < 33}
    assert (16, 24) in sizes


def _frame():  # type: ignore[no-untyped-def]
    from qat.evaluation.tasks import Frame

    return Frame((32, 32))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["float", "calib", "int_infer"])
def test_every_stage_has_its_figures(calibrated: CfgNode, stage: str) -> None:
    done = evaluate(calibrated, stage=stage)
    figures = done.stages[stage]
    assert set(figures["class_ap"]) >= {"person", "bicycle"}
    assert figures["mean_ap"] is None
    if stage != "float":
        assert figures["boxes_kept"] > 0.5
        assert figures["logit_sqnr"] > 20


@pytest.mark.slow
def test_debug_measures_by_the_task_s_score(calibrated: CfgNode) -> None:
    done = debug(calibrated)
    everything = json.loads((done.folder / "sensitivity.json").read_text())["groups"]["all"]
    assert {"mean_ap", "boxes_changed", "sqnr_db"} <= set(everything)


@pytest.mark.slow
def test_the_compiled_file_gives_the_boxes(calibrated: CfgNode) -> None:
    entry = compile(calibrated).parity["model_float.onnx"]["ort"]
    assert (entry["status"], entry["boxes_changed"]) == ("ok", 0)
    cfg = calibrated.clone()
    cfg.merge_from_list(["COMPILE.ARTEFACT", "model_float.onnx"])
    assert evaluate(cfg, stage="compiled").stages["compiled ort"]["boxes_changed"] < 0.01


@pytest.mark.slow
def test_pictures_are_drawn(calibrated: CfgNode, tmp_path: Path) -> None:
    picture = next(Path(calibrated.DATASET.ROOT).rglob("*_leftImg8bit.png"))
    drawn = cv2.imread(str(infer(calibrated, source=picture, stage="calib", output=tmp_path).pictures[0]))
    assert drawn.shape[1] == 3 * 512 + 2 * 8
    assert np.abs(drawn[24:280, :512].astype(int) - cv2.imread(str(picture))).max() > 50
    evaluate(calibrated, stage="calib")
    page = report(calibrated, stage="calib", images=1).path.read_text()
    assert "of the boxes change" in page
    assert page.count('data-layer="difference"') == 1


def test_what_is_found_is_a_box_file(config: CfgNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "in" / name), np.zeros((100, 200, 3), np.uint8))
    found = PictureBoxes(np.zeros((0, 6), np.float32), np.array([[1, 2, 31, 22, 0.5, 0]], np.float32), (100, 200))
    monkeypatch.setattr(Predictor, "of_picture", lambda *_: found)
    done = infer(config, source=tmp_path / "in", output=tmp_path / "out")
    assert done.boxes == tmp_path / "out" / "boxes.json"
    rows = json.loads(done.boxes.read_text())
    assert rows[1] == {"file_name": "b.png", "bbox": [1, 2, 30, 20], "category": "person", "score": 0.5}
    assert read_boxes(done.boxes) == {"a.png": ((1, 2, 31, 22),), "b.png": ((1, 2, 31, 22),)}


def test_logits_of_several_outputs_are_refused(config: CfgNode, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((256, 512, 3), np.uint8))
    with pytest.raises(UserError, match="has several outputs; --logits writes one"):
        infer(config, source=picture, output=tmp_path / "out", logits=True)


@pytest.mark.slow
def test_fine_tuning_without_labels_learns_from_float_alone(config: CfgNode, tmp_path: Path) -> None:
    cfg = config.clone()
    cfg.merge_from_list(["OUTPUT_DIR", str(tmp_path), "DATASET.TRAIN_SET", "val", "QAT.END_EPOCH", 1])
    calibrate(cfg)
    (record,) = finetune(cfg).history
    assert record["labels"] == 0 < record["logits"]
    evaluate(cfg, stage="float")
    assert evaluate(cfg, stage="qat").stages["qat"]["boxes_kept"] > 0.5


@pytest.mark.slow
def test_fine_tuning_reads_boxes_too(calibrated: CfgNode, tmp_path: Path) -> None:
    shutil.copytree(calibrated.OUTPUT_DIR, tmp_path / "output")
    cfg = calibrated.clone()
    cfg.merge_from_list(["OUTPUT_DIR", str(tmp_path / "output"), "QAT.END_EPOCH", 1, "QAT.SCALES", "frozen"])
    (record,) = finetune(cfg).history
    assert 0.001 < record["labels"] < 0.1  # a hundredth of YOLOv5's loss
    assert record["loss"] == pytest.approx(record["labels"] + record["logits"])
