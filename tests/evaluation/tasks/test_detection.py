from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qat.data.fit import Fit
from qat.errors import UserError
from qat.evaluation import evaluate
from qat.evaluation.metrics import comparable, has_labels, metrics, passes, share_of_float
from qat.evaluation.table import stage_table, summary, verdict
from qat.evaluation.tasks import DETECTION, Frame
from qat.evaluation.tasks.box_distance import BoxDistance, match_boxes
from qat.evaluation.tasks.detection import with_anchors

ANCHORS = (((16.0, 16.0),), ((32.0, 32.0),), ((64.0, 64.0),))
TASK = with_anchors(DETECTION, ANCHORS)
NAMES = ("left", "right")
MAP = torch.zeros(1, 7, 8, 8)


class Finder(nn.Module):
    """Says a box of 16x16 of class 0 or 1 where the picture's red or green is bright, with the score asked for."""

    def __init__(self, score: float = 0.9, step: float = 0.0) -> None:
        super().__init__()
        self.score, self.step = score, step

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        bright = (nn.functional.avg_pool2d(x, 8)[:, :2] > 0.5).float()
        certain, nothing = torch.logit(torch.tensor(self.score)), bright[:, :1] * 0
        values = [nothing + self.step, nothing, nothing, nothing, bright.amax(1, keepdim=True) * (certain + 20) - 20]
        empty = (torch.full((len(x), 7, x.shape[2] // s, x.shape[3] // s), -20.0) for s in (16, 32))
        return torch.cat([*values, bright * 40 - 20], 1), *empty


def batches(labelled: bool = True) -> list[dict[str, Any]]:
    """Two pictures of 96x64, each with an object of 16x16 around a bright cell."""
    made = []
    for kind, (column, row) in enumerate([(2, 3), (9, 5)]):
        image = torch.zeros(1, 64, 96, 3, dtype=torch.uint8)
        image[:, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8, kind] = 255
        x, y = column * 8 + 4, row * 8 + 4
        label = torch.tensor([[kind, (x - 8) / 96, (y - 8) / 64, (x + 8) / 96, (y + 8) / 64]])
        made.append({"image": image, "name": [str(kind)]} | ({"label": [label]} if labelled else {}))
    return made


def to_input(image: Tensor) -> Tensor:
    return image.permute(0, 3, 1, 2).float() / 255


def run(network: nn.Module, labelled: bool = True, against: nn.Module | None = None) -> dict[str, Any]:
    result = evaluate(
        network,
        batches(labelled),
        2,
        to_input=to_input,
        align_corners=False,
        reference=None if against is None else lambda names, x: against(x),
        task=TASK,
    )
    return metrics(result, NAMES, "finder", {})


def test_a_network_that_finds_everything() -> None:
    found = run(Finder())
    assert found["mean_ap"] == pytest.approx(1)
    assert found["class_ap"] == pytest.approx({"left": 1, "right": 1})
    assert "boxes_kept" not in found


def test_another_stage_is_compared_box_by_box() -> None:
    floating, stage = run(Finder()), run(Finder(0.8, step=0.2), against=Finder())
    assert (stage["boxes_kept"], stage["boxes_confirmed"], stage["boxes_changed"]) == (1, 1, 0)
    assert 0.5 < stage["matched_iou"] < 1
    assert stage["score_change"] == pytest.approx(0.1, abs=1e-4)
    assert share_of_float(stage, floating) == pytest.approx(stage["mean_ap"])
    assert not passes(stage, floating, 0.99)


def test_without_labels_the_gate_is_the_share_of_boxes() -> None:
    floating, stage = run(Finder(), labelled=False), run(Finder(0.2), labelled=False, against=Finder())
    assert not has_labels(stage)
    assert stage["class_ap"] == {"left": None, "right": None}
    assert share_of_float(stage, floating) == 0
    assert "matched_iou" not in stage
    assert "keeps 0.00% of float's boxes" in verdict("calib", {"float": floating, "calib": stage}, 0.99)


def test_a_stage_of_another_task_is_not_compared() -> None:
    found = run(Finder())
    other = {key: value for key, value in found.items() if key not in DETECTION.keys}
    assert not comparable(found, {**other, "mean_iou": 1.0, "class_iou": dict.fromkeys(NAMES, 1.0)})


def test_the_table_has_the_tasks_columns() -> None:
    stages = {"float": run(Finder()), "calib": run(Finder(0.8), against=Finder())}
    titles = [str(column.header).replace("\n", " ") for column in stage_table(stages).columns]
    assert titles[:4] == ["stage", "mAP", "of float", "change"]
    assert {"worst class AP (change)", "float's found", "found are float's", "mean IoU"} <= set(titles)
    assert summary(stages["float"])[0].startswith("mean_ap: 1.0000, mean_ap_50: 1.0000; 2 images")
    assert verdict("calib", stages, 0.99).startswith("calib keeps 100.00% of float's mAP: passes")


def test_boxes_of_a_scaled_picture_are_in_the_picture_s_own_pixels() -> None:
    outputs = Finder()(to_input(batches()[0]["image"]))
    fit = Fit("pad", 32, (64, 96))
    (own,) = TASK.predict(outputs, Frame((64, 96)))
    (twice,) = TASK.predict(outputs, Frame((128, 192), fit.canvas((128, 192))))
    np.testing.assert_allclose(twice.shown[:, :4], 2 * own.shown[:, :4])
    np.testing.assert_allclose(own.shown[0, :4], [12, 20, 28, 36], atol=1e-3)


def test_boxes_of_letterboxed_pictures_are_in_each_one_s_own_pixels() -> None:
    image = torch.cat([batch["image"] for batch in batches()])
    frame = Frame((64, 96), pictures=((128, 192), (32, 96)))  # the second between bars of 16 rows
    twice, flat = TASK.predict(Finder()(to_input(image)), frame)
    np.testing.assert_allclose(twice.shown[0, :4], [24, 40, 56, 72], atol=1e-3)
    np.testing.assert_allclose(flat.shown[0, :4], [68, 20, 84, 32], atol=1e-3)
    assert (twice.size, flat.size) == ((128, 192), (32, 96))


def test_boxes_end_at_the_rim_of_a_padded_picture() -> None:
    outputs = Finder()(to_input(batches()[1]["image"]))
    (boxes,) = TASK.predict(outputs, Frame((50, 80), (64, 96)))
    np.testing.assert_allclose(boxes.shown[0, :4], [68, 36, 80, 50], atol=1e-3)


@pytest.mark.parametrize(
    "outputs",
    [MAP, [MAP] * 2, [torch.zeros(1, 8, 8, 8)] * 3, [torch.zeros(1, 21, 7)] * 3, [1, 2, 3]],
    ids=["one", "two", "of other classes", "flat", "no tensors"],
)
def test_outputs_that_the_task_cannot_read_are_one_line(outputs: Any) -> None:
    with pytest.raises(UserError, match=r"expected 3 maps \(N, 7, h, w\) at strides 8, 16, 32") as caught:
        evaluate(lambda x: outputs, batches(), 2, to_input=to_input, align_corners=False, task=TASK)
    assert "\n" not in str(caught.value)


def test_nothing_is_matched_twice() -> None:
    one = np.array([[0, 0, 10, 10, 0.9, 0]], np.float32)
    pairs, ious = match_boxes(np.repeat(one, 3, 0), one)
    assert (pairs, ious) == ([(0, 0)], [1.0])


def test_a_box_of_another_class_or_place_is_no_match() -> None:
    distance = BoxDistance()
    reference = np.array([[0, 0, 10, 10, 0.9, 0], [20, 0, 30, 10, 0.9, 0]], np.float32)
    distance.update(np.array([[0, 0, 10, 10, 0.9, 1], [20, 0, 30, 10, 0.8, 0]], np.float32), reference)
    figures = distance.figures()
    assert (figures["boxes_kept"], figures["boxes_confirmed"], figures["boxes_changed"]) == (0.5, 0.5, 0.5)
    assert figures["score_change"] == pytest.approx(0.1)


def test_pictures_without_boxes_agree() -> None:
    distance = BoxDistance()
    distance.update(np.zeros((0, 6), np.float32), np.zeros((0, 6), np.float32))
    assert distance.figures()["boxes_changed"] == 0
