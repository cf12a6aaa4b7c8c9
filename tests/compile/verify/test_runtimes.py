"""What makes a runtime good enough, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console

from qat.compile.artefacts import ARTEFACTS, ArtefactSpec
from qat.compile.verify.runtimes import Parity, faults, judged, parity_table
from qat.compile.verify.samples import ParitySample
from qat.compile.verify.stage_outputs import StageOutputs
from qat.evaluation.tasks.classification import CLASSIFICATION
from qat.evaluation.tasks.detection import DETECTION
from qat.evaluation.tasks.detection_boxes import PictureBoxes

BY_NAME = {made.name: made for made in ARTEFACTS}
INT8, FLOAT, W8 = BY_NAME["model.onnx"], BY_NAME["model_float.onnx"], BY_NAME["model_float_w8.mnn"]
TRUTH = torch.arange(20000).view(1, 100, 200) % 2


def off(count: int) -> list[torch.Tensor]:
    """The truth with so many of the 20000 pixels wrong."""
    found = TRUTH.clone()
    found.view(-1)[:count] ^= 1
    return [found]


def expected(labelled: bool = True, int_infer: int = 100) -> StageOutputs:
    nothing = torch.zeros(1)
    picture = ParitySample("a", nothing, nothing, TRUTH[0].to(torch.uint8) if labelled else None, (100, 200))
    return StageOutputs([TRUTH], [TRUTH], off(int_infer), 1.0, [picture], True, 2)


@pytest.mark.parametrize(
    ("made", "wrong", "reason"),
    [
        (INT8, 129, ""),
        (INT8, 131, "changes 0.155% more pixels than int_infer (limit 0.15%)"),
        (FLOAT, 2, ""),
        (FLOAT, 3, "agrees with float on 99.985% of pixels (limit 99.99%)"),
        (W8, 900, ""),
    ],
)
def test_the_limits(made: ArtefactSpec, wrong: int, reason: str) -> None:
    entry = judged(made, off(wrong), expected(labelled=False))
    assert (entry["reason"], entry["status"]) == (reason, "failed" if reason else "ok")
    assert entry["pixels_changed"] == pytest.approx(wrong / 20000)
    assert entry["agreement_int_infer"] == pytest.approx(1 - abs(wrong - 100) / 20000)


@pytest.mark.parametrize(
    ("wrong", "reason"), [(199, ""), (201, "changes 0.505% more pixels than int_infer (limit 0.50%)")]
)
def test_a_network_that_roundings_move_has_wider_limits(wrong: int, reason: str) -> None:
    shaky = replace(expected(labelled=False), repeatability=0.98)
    assert judged(INT8, off(wrong), shaky)["reason"] == reason


@pytest.mark.parametrize(("wrong", "status"), [(1, "ok"), (2, "ok"), (3, "failed")])
def test_half_of_few_pictures_is_no_verdict(wrong: int, status: str) -> None:
    right = [torch.tensor([[[kind, 0.6], [1 - kind, 0.4]]]) for kind in (0, 1, 0, 1)]
    chosen = [one.flip(1) for one in right[:wrong]] + right[wrong:]
    pictures = [replace(expected(labelled=False).samples[0], name=str(at)) for at in range(4)]
    outputs = StageOutputs(right, right, right, 1.0, pictures, True, 2, CLASSIFICATION)
    assert judged(INT8, chosen, outputs)["status"] == status


@pytest.mark.parametrize(("lost", "status"), [(1, "ok"), (5, "failed")])
def test_one_of_few_boxes_is_no_verdict(lost: int, status: str) -> None:
    corners = np.array([[20 * at, 0, 20 * at + 10, 10, 0.9, 0] for at in range(10)], np.float32)
    boxes, fewer = ([PictureBoxes(some, some, (10, 200))] for some in (corners, corners[lost:]))
    picture = replace(expected(labelled=False).samples[0], name="a")
    outputs = StageOutputs([boxes], [boxes], [boxes], 1.0, [picture], True, 2, DETECTION)
    assert judged(INT8, [fewer], outputs)["status"] == status


def test_lost_mean_iou_fails_where_the_pixels_are_few() -> None:
    rare = torch.zeros(1, 100, 200, dtype=torch.int64)
    rare.view(-1)[:1000] = 1
    picture = replace(expected().samples[0], label=rare[0].to(torch.uint8))
    lost = rare.clone()
    lost.view(-1)[:20] = 0
    entry = judged(INT8, [lost], StageOutputs([rare], [rare], [rare], 1.0, [picture], True, 2))
    assert entry["pixels_changed"] == pytest.approx(0.001)
    assert entry["reason"] == "loses 1.05% mIoU against int_infer (limit 0.2%)"


def test_the_table_shows_names_whole_in_80_columns() -> None:
    figures = {"agreement_int_infer": 1.0, "pixels_changed": 0.00123, "mean_iou": None, "images": 2}
    refused = {"status": "refused", "reason": "because"}
    parity: Parity = {made.name: dict.fromkeys(made.runtimes, refused) for made in ARTEFACTS}
    parity["int_model.pt"]["torchscript"] = figures | {"agreement_reference": 0.5, "status": "ok"}
    parity["model.onnx"]["ort"] = figures | {"convolutions": 85, "convolutions_int8": 84, "status": "ok"}
    console = Console(file=StringIO(), width=80)
    console.print(parity_table(parity))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "84/85 ok" in shown
    assert "…" not in shown
    assert all(made.name in shown for made in ARTEFACTS)
    assert "int_model.pt torchscript 50.000 100.000 0.123 ok" in " ".join(shown.split())


def test_faults_are_lines_with_reasons() -> None:
    bad = {"status": "failed", "reason": "changes pixels"}
    assert faults({"a.onnx": {"ort": bad, "mnn": {"status": "ok", "reason": ""}}}) == [
        "a.onnx in ort failed: changes pixels"
    ]
