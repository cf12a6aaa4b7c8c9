from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.data import DataSpec, build_dataset, read_descriptor
from qat.data.box_file import BoxFile, write_boxes
from qat.data.label_counts import require_classes
from qat.data.loading import data_loader
from qat.data.set_findings import class_table, find_in
from qat.data.streets import objects, paint
from qat.data.transforms import InferenceTransform
from qat.errors import UserError

BOXES = [(2, 0.1, 0.2, 0.5, 0.4), (0, 0.0, 0.0, 1.0, 1.0)]


def test_boxes_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_boxes(tmp_path / "a.txt", BOXES)
    assert (tmp_path / "a.txt").read_text().splitlines()[0] == "2 0.300000 0.300000 0.400000 0.200000"
    np.testing.assert_allclose(BoxFile().read(tmp_path / "a.txt"), BOXES, atol=1e-6)


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_an_empty_file_is_a_picture_without_objects(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert BoxFile().read(tmp_path / "a.txt").shape == (0, 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 120 80 40 30", "line 1: 0 120 80 40 30 isn't a box inside the picture"),
        ("0 0.5 0.5 0.1 0.1\ncar 0.5 0.5 0.1 0.1", "line 2, is car 0.5"),
        ("0 0.5 0.5 0.1", "line 1, is 0 0.5 0.5 0.1; expected lines such as"),
        ("0 0.5 0.5 0.1 0.1 0.9", "expected lines such as"),
        ("-1 0.5 0.5 0.1 0.1", "expected lines such as"),
        ("0.5 0.5 0.5 0.1 0.1", "expected lines such as"),
        ("0 nan 0.5 0.1 0.1", "expected lines such as"),
        ("0 0.5 0.5 0 0.1", "isn't a box inside the picture"),
        ('{"annotations": []}', "expected lines such as"),
        ("<annotation>", "expected lines such as"),
    ],
)
def test_another_format_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError, match=r"a\.txt") as caught:
        BoxFile().read(tmp_path / "a.txt")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mask_in_place_of_boxes_is_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8), 200, np.uint8))
    with pytest.raises(UserError, match="not UTF-8 text; expected lines such as"):
        BoxFile().read(tmp_path / "a.png")


def test_a_class_that_there_is_not() -> None:
    with pytest.raises(UserError, match="class 2; expected 0 to 1"):
        BoxFile().decode(np.array(BOXES, np.float32), 2, Path("a.txt"))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    descriptor = read_descriptor("streets_objects")
    root = tmp_path_factory.mktemp("data")
    streets = type(descriptor.streets)(train=1, val=3, seed=0)  # type: ignore[misc]
    return DataSpec(descriptor, str(root), "train", "val", 8, streets=streets)


def test_streets_objects_has_a_file_of_boxes_for_each_picture(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    scene = paint([0, 1, 1])
    expected = [(one.kind, *np.array(one.box) / [512, 256, 512, 256]) for one in objects(scene)]
    np.testing.assert_allclose(dataset[1]["label"], expected, atol=2e-6)
    assert np.array_equal(dataset[1]["image"], scene.image)
    require_classes(dataset, range(3), "DATASET.TEST_SET val")


def test_boxes_lie_beside_the_pictures_of_streets_and_change_none(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    before = {path: path.stat().st_mtime_ns for path in dataset.image_paths}
    boxes = [entry.label for entry in build_dataset(spec, "train", InferenceTransform()).entries]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert all(path is not None and path.suffix == ".txt" for path in boxes)


def test_pictures_with_different_numbers_of_objects_make_a_batch(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    (batch,) = data_loader(dataset, 3, 0)
    assert batch["image"].shape == (3, 256, 512, 3)
    assert [len(label) for label in batch["label"]] == [len(dataset.label(index)) for index in range(3)]


def test_labels_without_an_object_are_refused(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    dataset.encodings = [type("Nothing", (BoxFile,), {"read": lambda self, path: np.zeros((0, 5), np.float32)})()] * 3
    with pytest.raises(UserError, match="have no object"):
        require_classes(dataset, range(3), "DATASET.TEST_SET val")


def test_what_a_set_of_boxes_holds(spec: DataSpec) -> None:
    dataset = build_dataset(spec, "val", InferenceTransform())
    found = find_in("val", dataset)
    labels = [dataset.label(index) for index in range(3)]
    assert found.labels is not None
    assert found.summary.endswith(f"labels are boxes: {sum(map(len, labels))} objects")
    cars = [int((label[:, 0] == 2).sum()) for label in labels]
    assert (found.labels.pixels[2], found.labels.files[2]) == (sum(cars), sum(count > 0 for count in cars))
    assert "% of objects" in str(class_table((found,)).columns[1].header)
    assert not any("pixel" in line for line in found.remarks)
