from __future__ import annotations

import math

import numpy as np
import pytest

from qat.deploy.boxes import FOR_PICTURES, FOR_SCORES, Selection, decode, select, suppress

ANCHORS = np.array([[[10, 13], [33, 23]], [[30, 61], [59, 119]], [[116, 90], [373, 326]]])


def random_maps(seed: int, classes: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(8, 12), (4, 6), (2, 3)]
    return [rng.normal(0, 2, (2, 2 * (5 + classes), *shape)).astype(np.float32) for shape in shapes]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_a_box_is_where_the_formula_says() -> None:
    maps = random_maps(0)
    boxes = decode(maps, ANCHORS)
    level, picture, anchor, row, column, values = 1, 1, 1, 2, 4, 8
    raw = [sigmoid(x) for x in maps[level][picture, anchor * values : (anchor + 1) * values, row, column]]
    expected = [(2 * raw[0] - 0.5 + column) * 16, (2 * raw[1] - 0.5 + row) * 16]
    expected += [(2 * raw[2]) ** 2 * 59, (2 * raw[3]) ** 2 * 119, *raw[4:]]
    place = 2 * 8 * 12 + (anchor * 4 + row) * 6 + column
    assert boxes[picture, place] == pytest.approx(expected, rel=1e-5)
    assert boxes.shape == (2, 2 * (96 + 24 + 6), 8)


def test_values_that_overflow_a_sigmoid_are_zero_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    maps = [np.full((1, 12, side, side), -200, np.float32) for side in (4, 2, 1)]
    assert not decode(maps, ANCHORS)[..., 2:].any()
    assert not recwarn.list


def iou(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    width = max(min(first[2], second[2]) - max(first[0], second[0]), 0)
    height = max(min(first[3], second[3]) - max(first[1], second[1]), 0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (first[:4], second[:4])]
    return width * height / (sum(areas) - width * height)


def plain(values: np.ndarray, selection: Selection) -> list[tuple[float, ...]]:
    """Selection in Python's loops."""
    found = []
    for x, y, w, h, objectness, *classes in values.tolist():
        scores = [objectness * share for share in classes]
        wanted = range(len(scores)) if selection.several else [int(np.argmax(scores))]
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        found += [(*corners, scores[c], float(c)) for c in wanted if min(scores[c], objectness) > selection.confidence]
    kept: list[tuple[float, ...]] = []
    for box in sorted(found, key=lambda one: -one[4]):
        rivals = [one for one in kept if one[5] == box[5]]
        if all(iou(one, box) <= selection.iou for one in rivals):
            kept.append(box)
    return kept[: selection.most]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("selection", [FOR_SCORES, FOR_PICTURES, Selection(0.1, 0.3, several=True, most=5)])
def test_selection_is_that_of_plain_loops(seed: int, selection: Selection) -> None:
    values = decode(random_maps(seed), ANCHORS)[0]
    found, expected = select(values, selection), plain(values, selection)
    assert len(found) == len(expected) <= selection.most
    np.testing.assert_allclose(found, np.array(expected).reshape(-1, 6), rtol=1e-4, atol=1e-3)


def test_the_same_box_of_another_class_stays() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    assert suppress(boxes, np.array([1, 2, 1]), 0.5, 300).tolist() == [0, 1]


def test_an_overlap_of_just_the_limit_stays() -> None:
    boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 2]], np.float32)
    assert suppress(boxes, np.zeros(2), 0.5, 300).tolist() == [0, 1]
    assert suppress(boxes, np.zeros(2), 0.49, 300).tolist() == [0]


def test_nothing_above_the_limit_is_no_box() -> None:
    assert select(np.zeros((7, 8), np.float32), FOR_PICTURES).shape == (0, 6)
    assert select(np.zeros((0, 8), np.float32), FOR_SCORES).shape == (0, 6)
