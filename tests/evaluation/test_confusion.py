from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qat.errors import UserError
from qat.evaluation import ConfusionMatrix


def tensor(*rows: list[int]) -> torch.Tensor:
    return torch.tensor([rows], dtype=torch.uint8)


def counted(prediction: torch.Tensor, label: torch.Tensor, num_classes: int) -> ConfusionMatrix:
    matrix = ConfusionMatrix(num_classes)
    matrix.update(prediction, label)
    return matrix


def test_scores_of_a_case_worked_by_hand() -> None:
    scores = counted(tensor([0, 0, 1, 1], [1, 1, 0, 2]), tensor([0, 0, 0, 1], [1, 1, 255, 255]), 4).scores()
    assert scores.class_iou == (2 / 3, 3 / 4, None, None)
    assert scores.mean_iou == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert scores.pixel_acc == pytest.approx(5 / 6)
    assert scores.mean_acc == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_predicted_but_never_labelled_counts_as_zero() -> None:
    scores = counted(tensor([0, 1]), tensor([0, 0]), 2).scores()
    assert scores.class_iou == (0.5, 0.0)
    assert scores.mean_iou == 0.25
    assert scores.mean_acc == 0.5


def test_everything_ignored_scores_zero() -> None:
    scores = counted(tensor([0, 1]), tensor([255, 255]), 2).scores()
    assert (scores.mean_iou, scores.pixel_acc, scores.class_iou) == (0.0, 0.0, (None, None))


def test_the_whole_set_is_one_matrix_not_a_mean_over_images() -> None:
    parts = [(tensor([0, 0, 0, 1]), tensor([0, 0, 0, 0])), (tensor([1, 0, 0, 0]), tensor([1, 1, 1, 0]))]
    merged = ConfusionMatrix(2)
    for prediction, label in parts:
        merged.merge(counted(prediction, label, 2))
    whole = counted(*(torch.cat(side, dim=2) for side in zip(*parts, strict=True)), 2)
    assert merged.scores() == whole.scores()
    means = [counted(prediction, label, 2).scores().mean_iou for prediction, label in parts]
    assert merged.scores().mean_iou != pytest.approx(sum(means) / 2, abs=0.01)


def test_an_ignored_value_below_the_class_count_is_ignored() -> None:
    matrix = ConfusionMatrix(3, ignore=2)
    matrix.update(tensor([0, 1, 1]), tensor([0, 1, 2]))
    assert matrix.counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_any_integer_type_counts_the_same(dtype: torch.dtype) -> None:
    prediction, label = tensor([0, 1, 2, 2]), tensor([0, 2, 2, 255])
    assert torch.equal(counted(prediction.to(dtype), label.to(dtype), 3).counts, counted(prediction, label, 3).counts)


@pytest.mark.parametrize(
    ("prediction", "label", "message"),
    [
        (tensor([0, 0]), tensor([0, 7]), r"a label holds class 7; expected 0 to 2, or 255"),
        (tensor([0, 9]), tensor([0, 0]), r"the model predicts class 9; the labels have 3 classes"),
        (tensor([0, 0, 0]), tensor([0, 0]), r"prediction is \(1, 1, 3\), label \(1, 1, 2\)"),
        (tensor([0, 0]), torch.tensor([[[0, -1]]]), r"classes lie in -1 to 0; expected 0 to 255"),
        (torch.tensor([[[0, 256]]]), tensor([0, 0]), r"classes lie in 0 to 256; expected 0 to 255"),
    ],
    ids=["label", "prediction", "shape", "negative", "too large"],
)
def test_wrong_input_is_one_clear_error(prediction: torch.Tensor, label: torch.Tensor, message: str) -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(UserError, match=message):
        matrix.update(prediction, label)
    assert matrix.counts.sum() == 0


def brute_force(prediction: np.ndarray, label: np.ndarray, num_classes: int) -> list[float | None]:
    valid = label != 255
    result: list[float | None] = []
    for index in range(num_classes):
        union = (valid & ((prediction == index) | (label == index))).sum()
        result.append(float((valid & (prediction == index) & (label == index)).sum() / union) if union else None)
    return result


shapes = arrays.array_shapes(min_dims=3, max_dims=3, max_side=12)
classes = st.integers(1, 255).flatmap(
    lambda count: shapes.flatmap(
        lambda shape: st.tuples(
            st.just(count),
            arrays.arrays(np.uint8, shape, elements=st.integers(0, count - 1)),
            arrays.arrays(np.uint8, shape, elements=st.one_of(st.just(255), st.integers(0, count - 1))),
        )
    )
)


@given(classes)
def test_equal_to_counting_sets_of_pixels(case: tuple[int, np.ndarray, np.ndarray]) -> None:
    num_classes, prediction, label = case
    scores = counted(torch.from_numpy(prediction), torch.from_numpy(label), num_classes).scores()
    expected = brute_force(prediction, label, num_classes)
    there = [value for value in expected if value is not None]
    assert scores.class_iou == pytest.approx(tuple(expected))
    assert scores.mean_iou == pytest.approx(float(np.mean(there)) if there else 0.0)
