from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qat.data import encodings, read_descriptor
from qat.data.descriptor import IGNORE
from qat.data.encodings import present
from qat.errors import UserError

PATH = Path("some/label.png")
VEHICLES = range(26, 34)
CITYSCAPES = read_descriptor("cityscapes")
LABEL_IDS = encodings.label_ids(CITYSCAPES)
LABELID_TO_TRAINID = LABEL_IDS.table
CAMVID_INDICES = encodings.label_ids(read_descriptor("camvid"))
CITYSCAPES_LABEL_IDS = [one.ids[0] for one in CITYSCAPES.classes]


def train_ids(num_classes: int) -> encodings.Encoding:
    return encodings.train_ids(CITYSCAPES, num_classes)


def a_map(values: object) -> np.ndarray:
    return np.array(sorted(values), np.uint8).reshape(1, -1)  # type: ignore[call-overload]


@given(st.binary(max_size=600))
def test_present_lists_the_values(data: bytes) -> None:
    label = np.frombuffer(data + b"\x07", np.uint8).reshape(1, -1)
    assert present(label) == set(np.unique(label).tolist())


@given(st.sets(st.integers(0, 33), min_size=1, max_size=12))
def test_official_label_ids_are_never_refused(values: set[int]) -> None:
    label = a_map(values)
    np.testing.assert_array_equal(LABEL_IDS.decode(label, 19, PATH), LABELID_TO_TRAINID[label])


@given(st.sets(st.integers(0, 33)), st.sampled_from(VEHICLES))
def test_a_licence_plate_written_as_255_is_ignored(values: set[int], vehicle: int) -> None:
    label = a_map(values | {vehicle, IGNORE})
    np.testing.assert_array_equal(LABEL_IDS.decode(label, 19, PATH), LABELID_TO_TRAINID[label])


@given(st.sets(st.sampled_from(CITYSCAPES_LABEL_IDS)))
def test_label_ids_that_ignore_with_255_are_accepted(values: set[int]) -> None:
    assert LABEL_IDS.decode(a_map(values | {IGNORE}), 19, PATH).max() == IGNORE


@given(st.sets(st.integers(0, 18)), st.booleans())
def test_train_ids_are_never_refused(values: set[int], ignored: bool) -> None:
    label = a_map(values | ({IGNORE} if ignored or not values else set()))
    np.testing.assert_array_equal(train_ids(19).decode(label, 19, PATH), label)


@given(st.sets(st.integers(1, 18)))
def test_road_and_ignore_as_train_ids_are_recognised_in_a_label_ids_file(values: set[int]) -> None:
    with pytest.raises(UserError, match=r"some/label\.png obviously holds trainIds, not labelIds"):
        LABEL_IDS.decode(a_map(values | {0, IGNORE}), 19, PATH)


def test_most_train_ids_without_ignore_are_recognised_too() -> None:
    with pytest.raises(UserError, match="obviously holds trainIds"):
        LABEL_IDS.decode(a_map(range(19)), 19, PATH)


@given(st.sets(st.integers(0, 33)), st.integers(19, 33))
def test_label_ids_are_recognised_in_a_train_ids_file(values: set[int], above: int) -> None:
    with pytest.raises(UserError, match=r"some/label\.png obviously holds labelIds, not trainIds"):
        train_ids(19).decode(a_map(values | {above}), 19, PATH)


@pytest.mark.parametrize(
    ("encoding", "values", "classes", "wrong"),
    [
        (LABEL_IDS, {7, 34}, 19, 34),
        (LABEL_IDS, {7, 254, 255}, 19, 254),
        (LABEL_IDS, {7, 33}, 18, 33),
        (train_ids(19), {0, 77}, 19, 77),
        (train_ids(5), {0, 5, 255}, 5, 5),
        (train_ids(25), {0, 25, 255}, 25, 25),
        (CAMVID_INDICES, {0, 12}, 11, 12),
        (CAMVID_INDICES, {0, 10}, 10, 10),
    ],
)
def test_a_class_index_out_of_range_is_named(encoding: object, values: set[int], classes: int, wrong: int) -> None:
    with pytest.raises(UserError, match=rf"some/label\.png holds class index {wrong}, which is out of range"):
        encoding.decode(a_map(values), classes, PATH)  # type: ignore[attr-defined]


def test_own_train_ids_may_exceed_19() -> None:
    label = a_map({0, 19, 24, IGNORE})
    np.testing.assert_array_equal(train_ids(25).decode(label, 25, PATH), label)


def test_camvids_void_is_ignored() -> None:
    decoded = CAMVID_INDICES.decode(a_map(range(12)), 11, PATH)
    assert decoded.ravel().tolist() == [*range(11), IGNORE]
