"""Persons' points in the generated streets, which move nothing that was there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qat.data import DataSpec, build_dataset, read_descriptor
from qat.data.descriptor import Streets, digest
from qat.data.label_counts import require_classes
from qat.data.set_findings import class_table, find_in
from qat.data.streets.coco import SKELETON
from qat.data.streets.pavement import POINTS
from qat.data.streets.people import SEEN, people
from qat.data.streets.scene import paint
from qat.data.transforms import InferenceTransform
from qat.files import known_sha256

OTHERS = {"streets": "5786160c", "streets_objects": "07fc0ec5", "camvid": "56b18475"}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    root = tmp_path_factory.mktemp("data")
    return DataSpec(
        read_descriptor("streets_persons"), str(root), "train", "val", 7, streets=Streets(1, 2, 0), person=(96, 128)
    )


def test_the_picture_the_labels_and_other_descriptors_stay_as_they_are(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    picture = dataset.entries[0].image
    label = Path(str(picture).replace("leftImg8bit", "gtFine", 1).replace("_leftImg8bit", "_gtFine_labelIds"))
    assert [known_sha256(one)[:8] for one in (picture, label)] == ["c17d555b", "70a9a7f0"]
    assert [digest(read_descriptor(name))[:8] for name in OTHERS] == list(OTHERS.values())


def test_points_lie_on_the_person() -> None:
    scene = paint([0, 1, 1])
    found = people(scene)
    assert found
    for one in found:
        left, top, right, bottom = one.thing.box
        seen = one.points[one.points[:, 2] == SEEN]
        assert ((seen[:, :2] >= [left, top]) & (seen[:, :2] <= [right, bottom])).all()
        assert (scene.thing[seen[:, 1].astype(int), seen[:, 0].astype(int)] == one.thing.number).all()
        known = np.where(one.points[:, 2:] > 0, one.points[:, :2], np.nan)
        head, shoulders, hips, feet = known[0, 1], known[1:3, 1], known[3:5, 1], known[5:, 1]
        heights = [
            height for height in (head, np.nanmean(shoulders), np.nanmean(hips), np.nanmean(feet)) if height == height
        ]
        assert heights == sorted(heights)


def test_the_descriptor_says_what_the_generator_does() -> None:
    descriptor = read_descriptor("streets_persons")
    assert (descriptor.class_set.names, descriptor.skeleton) == (POINTS, SKELETON)


def test_check_counts_the_points(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    require_classes(dataset, range(len(dataset)), "DATASET.TEST_SET val")
    found = find_in("val", dataset)
    assert found.labels is not None
    assert (found.labels.unit, found.encodings) == ("points", ("keypoints",))
    assert sum(found.labels.pixels) >= 4 * len(dataset)
    assert "96 x 128; labels are keypoints" in found.summary
    assert class_table((found,)).row_count == 7
