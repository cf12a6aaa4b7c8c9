"""The report's pictures of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from qat.data.descriptor import ClassSet
from qat.evaluation.tasks import DETECTION, Frame
from qat.evaluation.tasks.detection_boxes import PictureBoxes
from qat.report.drawn_predictions import ComparedPrediction, draw_prediction, most_changed

CLASSES = ClassSet(("car", "bus"), np.array([[250, 10, 10], [10, 250, 10]], np.uint8))
SQUARE, OTHER = (8, 20, 40, 44, 0.9, 0), (50, 20, 80, 44, 0.8, 1)


def boxes(*rows: tuple) -> PictureBoxes:
    found = np.array(rows, np.float32).reshape(-1, 6)
    return PictureBoxes(found, found, (64, 96))


def predict(outputs: torch.Tensor, frame: Frame) -> list[PictureBoxes]:
    """As many boxes as the outputs say."""
    return [boxes(*(SQUARE, OTHER)[: int(one)]) for one in outputs]


def compare(count: int) -> tuple[list[ComparedPrediction], list[float]]:
    images = torch.zeros(3, 64, 96, 3, dtype=torch.uint8)
    labels = [torch.tensor([[0.0, 0.1, 0.3, 0.4, 0.7]])] * 3

    def reference(names: Sequence[str]) -> torch.Tensor:
        return torch.tensor([2, 2, 1])

    batches = [{"image": images, "name": ["a", "b", "c"], "label": labels}]
    return most_changed(
        replace(DETECTION, predict=predict), lambda x: torch.tensor([2, 1, 0]), batches, count,
        to_input=lambda x: x, reference=reference, align_corners=False,
    )  # fmt: skip


def test_the_pictures_that_changed_most_come_first() -> None:
    worst, shares = compare(2)
    assert shares == [0, pytest.approx(1 / 3), 1]
    assert [one.name for one in worst] == ["c", "b"]


def test_each_layer_is_a_picture_of_its_own() -> None:
    worst, _ = compare(1)
    drawn = draw_prediction(DETECTION, worst[0], CLASSES, "calib")
    assert [layer.key for layer in drawn.layers] == ["image", "truth", "float", "stage", "difference"]
    assert len({layer.uri for layer in drawn.layers}) == 4  # the stage found nothing: its picture is the image
    assert (drawn.width, drawn.height, drawn.labelled) == (96, 64, False)


def test_a_picture_without_a_label_has_no_truth() -> None:
    worst, _ = compare(1)
    drawn = draw_prediction(DETECTION, replace(worst[0], label=None), CLASSES, "calib")
    assert "truth" not in [layer.key for layer in drawn.layers]


def test_the_difference_shows_what_either_has_alone() -> None:
    drawing = DETECTION.drawing
    assert drawing is not None
    image = np.full((64, 96, 3), 90, np.uint8)
    same = drawing.changes(image, boxes(SQUARE), boxes(SQUARE), CLASSES)
    before, after = (
        drawing.changes(image, *pair, CLASSES) for pair in ((boxes(SQUARE), boxes()), (boxes(), boxes(SQUARE)))
    )
    assert (same == 30).all()
    assert not np.array_equal(before, after)
    assert (before[44, 8:41] == before[44, 8]).all()
