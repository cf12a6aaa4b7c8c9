from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from qat.errors import UserError
from qat.evaluation import Result
from qat.evaluation.distance import Changes
from qat.evaluation.metrics import metrics, passes, share_of_float
from qat.evaluation.tasks.segmentation import SegmentationTally

CLASSES = ("road", "car", "train")


def result(names: tuple[str, ...] = ("b", "a"), changed: int | None = None, sqnr: float | None = None) -> Result:
    tally = SegmentationTally(3, None if changed is None else Changes(changed, 1000))
    tally.score(torch.tensor([[[0] * 6 + [1] * 4]]), torch.tensor([[[0] * 6 + [0] * 2 + [1] * 2]]))
    return Result(names, seconds=3.0, forward_seconds=2.0, logit_sqnr=sqnr, tally=tally)


def build(measured: Result) -> dict[str, Any]:
    return metrics(measured, CLASSES, "pidnet_s", {"torch": "2"})


def test_content_survives_strict_json() -> None:
    content = build(result(changed=4, sqnr=27.0))
    stored = json.loads(json.dumps(content, allow_nan=False))
    assert stored == content
    assert stored["class_iou"] == {"road": 0.75, "car": 0.5, "train": None}
    assert (stored["images"], stored["seconds"], stored["forward_seconds"]) == (2, 3.0, 2.0)
    assert (stored["pixels_changed"], stored["logit_sqnr"]) == (0.004, 27.0)


def test_the_float_stage_has_no_distance() -> None:
    assert not {"pixels_changed", "logit_sqnr"} & set(build(result()))


def test_equal_logits_are_null_because_json_has_no_infinity() -> None:
    content = build(result(changed=0, sqnr=math.inf))
    assert (content["pixels_changed"], content["logit_sqnr"]) == (0.0, None)


@pytest.mark.parametrize(("mean_iou", "expected"), [(0.4951, True), (0.495, True), (0.4949, False), (0.6, True)])
def test_the_gate_is_a_share_of_float(mean_iou: float, expected: bool) -> None:
    reference = build(result()) | {"mean_iou": 0.5}
    assert passes(dict(reference, mean_iou=mean_iou), reference, 0.99) is expected


def test_the_order_of_the_images_does_not_matter() -> None:
    assert share_of_float(build(result(("a", "b"))), build(result(("b", "a")))) == 1


def test_other_images_are_refused_even_if_there_are_as_many() -> None:
    with pytest.raises(UserError, match=r"different images or classes \(float on 2 images, this stage on 2\)"):
        passes(build(result(("a", "c"))), build(result()), 0.99)


def test_other_classes_are_refused() -> None:
    renamed = metrics(result(), ("Road", "Car", "Train"), "pidnet_s", {})
    with pytest.raises(UserError, match="different images or classes"):
        passes(renamed, build(result()), 0.99)


def test_a_float_model_that_scores_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="float mIoU is 0"):
        share_of_float(build(result()), dict(build(result()), mean_iou=0.0))


def test_a_class_that_no_label_holds_does_not_count_for_one_stage_alone() -> None:
    label = torch.zeros(1, 20, 20, dtype=torch.uint8)
    label[:, 10:] = 1
    stray = label.clone()
    stray[0, 0, 0] = 2

    def measured(prediction: torch.Tensor) -> dict[str, Any]:
        tally = SegmentationTally(3)
        tally.score(prediction, label)
        return build(Result(("a",), 1.0, 1.0, tally=tally))

    float_metrics, stage = measured(label), measured(stray)
    assert stage["mean_iou"] < 0.67
    assert 0.99 < share_of_float(stage, float_metrics) < 1
    assert passes(stage, float_metrics, 0.99)
