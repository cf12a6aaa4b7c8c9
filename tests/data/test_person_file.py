"""COCO's key-point files: read, refused in a line, and the persons that they cut out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from qat.data import DataSpec, build_dataset, read_descriptor
from qat.data.content import picture_digests
from qat.data.person_boxes import read_boxes
from qat.data.person_file import read_persons
from qat.data.transforms import InferenceTransform
from qat.errors import UserError

CONTENT = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
    "annotations": [
        {"id": 3, "image_id": 7, "bbox": [10, 20, 20, 40], "area": 500, "keypoints": [20, 30, 2, 15, 50, 1]},
        {"id": 4, "image_id": 7, "bbox": [10, 20, 20, 40], "iscrowd": 1, "keypoints": [20, 30, 2, 15, 50, 1]},
        {"id": 5, "image_id": 7, "bbox": [50, 20, 10, 10], "keypoints": [0, 0, 0, 0, 0, 0]},
        {"id": 6, "image_id": 7, "bbox": [40, 20, 30, 30], "keypoints": [50, 30, 2, 0, 0, 0]},
    ],
    "categories": [{"id": 1, "name": "person", "keypoints": ["head", "foot"]}],
}
DESCRIPTOR = "{name: own, images: 'images/{split}', labels: {keypoints: 'points_{split}.json'}, classes: [head, foot]}"


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_persons_with_a_labelled_point_are_read(tmp_path: Path) -> None:
    persons = read_persons(written(tmp_path / "a.json", CONTENT), ["head", "foot"])
    assert {picture: [one.number for one in found] for picture, found in persons.items()} == {
        "a.png": [3, 6],
        "b.png": [],
    }
    first, other = persons["a.png"]
    assert (first.box, first.area, other.area) == ((10, 20, 30, 60), 500, 900)


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    change(content)
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0 0.5 0.5 0.1 0.1\n", "not JSON"),
        ([], "has no such lists"),
        ({"shapes": []}, "has no 'categories' where there should be one"),
        (changed(lambda c: c.update(categories=[{"name": "person"}])), "has the points of no category"),
        (
            changed(lambda c: c["categories"][0].update(keypoints=["foot", "head"])),
            "has the points foot, head; expected",
        ),
        (
            changed(lambda c: c["annotations"][0].pop("keypoints")),
            "annotation 0 has no bbox of four numbers, or no keyp",
        ),
        (changed(lambda c: c["annotations"][0].update(keypoints=[1, 2, 2])), "has 1 keypoints and there are 2 classes"),
        (changed(lambda c: c["annotations"][0].update(bbox=[1, 2, 0, 4])), "bbox or area that isn't above 0"),
        (changed(lambda c: c["annotations"][0].update(keypoints=[1, 2, 3] * 2)), "whose mark isn't 0, 1 or 2"),
        (changed(lambda c: c["annotations"][0].update(image_id=9)), "has no 9 where there should be one"),
    ],
)
def test_another_format_is_one_line(tmp_path: Path, content: Any, reason: str) -> None:
    with pytest.raises(UserError, match=r"a\.json") as caught:
        read_persons(written(tmp_path / "a.json", content), ["head", "foot"])
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def spec(tmp_path: Path) -> DataSpec:
    for name in ("a.png", "b.png"):
        (tmp_path / "images/val").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "images/val" / name), np.full((80, 100, 3), 90, np.uint8))
    written(tmp_path / "points_val.json", CONTENT)
    descriptor = read_descriptor(written(tmp_path / "own.yaml", DESCRIPTOR))
    return DataSpec(descriptor, str(tmp_path), "train", "val", 2, person=(96, 128))


def test_each_person_is_a_sample(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    assert dataset.names == ["images/val/a_000003", "images/val/a_000006"]
    sample = dataset[0]
    assert sample["image"].shape == (128, 96, 3)
    np.testing.assert_allclose(sample["label"][:, :2], [[48, 38.4], [35.2, 89.6]], atol=1e-4)
    np.testing.assert_allclose(sample["label"][:, 3], 500 * 2.56**2, rtol=1e-6)
    assert sample["side"] == pytest.approx(102.4)
    first, other = picture_digests(dataset, range(2)).values()
    assert first != other


def test_without_labels_the_whole_picture_is_the_person(spec: DataSpec, tmp_path: Path) -> None:
    descriptor = read_descriptor(written(tmp_path / "bare.yaml", DESCRIPTOR[:-1] + ", unlabelled: [val]}"))
    dataset = build_dataset(
        DataSpec(descriptor, spec.root, "train", "val", 2, person=(96, 128)), "val", InferenceTransform()
    )
    assert (len(dataset), dataset[0]["image"].shape, "label" in dataset[0]) == (2, (128, 96, 3), False)


def test_a_file_of_other_pictures_is_one_line(spec: DataSpec, tmp_path: Path) -> None:
    written(tmp_path / "points_val.json", changed(lambda c: c["images"][0].update(file_name="c.png")))
    with pytest.raises(UserError, match=r"has no person with a labelled point in the 2 pictures beside .*a\.png"):
        build_dataset(spec, "val", InferenceTransform())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("skeleton: [[head, hip]]", "skeleton in .* has hip, which is no class"),
        ("skeleton: [head]", "skeleton in .* expected pairs of classes"),
        ("sigmas: [0.1]", "sigmas in .* are 1; expected one for each of the 2 classes"),
        ("sigmas: [0.1, 2]", "sigmas in .* expected a number above 0, at most 1"),
    ],
)
def test_a_descriptor_s_skeleton_and_sigmas(tmp_path: Path, lines: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        read_descriptor(written(tmp_path / "own.yaml", f"{DESCRIPTOR[:-1]}, {lines}}}"))


BOXES = [{"file_name": "a.png", "bbox": [10, 20, 30, 40]}, {"file_name": "a.png", "bbox": [1, 2, 3, 4]}]


@pytest.mark.parametrize(
    "content",
    [
        BOXES,
        {"images": CONTENT["images"], "annotations": [{"image_id": 7} | BOXES[0]]},
        [BOXES[1] | {"category": "car"}, BOXES[0] | {"category": "person"}],
    ],
)
def test_boxes_are_read(tmp_path: Path, content: Any) -> None:
    assert read_boxes(written(tmp_path / "b.json", content))["a.png"][0] == (10, 20, 40, 60)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("person 1 2 3 4", "not JSON"),
        ([], "has no box"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "has no 'file_name' where there should be one"),
        ([{"file_name": "a.png", "bbox": [1, 2, 3]}], r"bbox [1, 2, 3] (number 0) isn't one"),
        ([{"file_name": "a.png", "bbox": [1, 2, 3, 0]}], "isn't one"),
        (7, "is no list"),
        ([BOXES[0] | {"category": "car"}], "has no box of a person"),
        ({"images": [], "annotations": [{"image_id": 7, "bbox": [1, 2, 3, 4]}]}, "is of image_id 7, and no image has"),
    ],
)
def test_boxes_in_another_format_are_one_line(tmp_path: Path, content: Any, reason: str) -> None:
    with pytest.raises(UserError, match=r"b\.json") as caught:
        read_boxes(written(tmp_path / "b.json", content))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
