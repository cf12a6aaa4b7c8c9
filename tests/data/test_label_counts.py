from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qat.data.descriptor import IGNORE, DataClass, Descriptor
from qat.data.label_counts import LabelCounts, count_labels, remarks, require_classes
from qat.data.segmentation import DataSpec, SegmentationDataset, build_dataset
from qat.data.transforms import InferenceTransform
from qat.errors import UserError

Save = Callable[[Path, np.ndarray], Path]


def dataset(
    root: Path, save: Save, rows: list[list[int]], classes: int = 3, labels: str = "trainIds"
) -> SegmentationDataset:
    lines = []
    for index, row in enumerate(rows):
        save(root / f"{index}.png", np.zeros((4, len(row), 3), np.uint8))
        save(root / f"{index}_label.png", np.tile(np.array(row, np.uint8), (4, 1)))
        lines.append(f"{index}.png {index}_label.png\n")
    (root / "list.txt").write_text("".join(lines))
    names = tuple(DataClass(f"class_{i}", (10 + i,), (i, i, i)) for i in range(classes))
    descriptor = Descriptor("mine", names, str(root), void=(0, 1, 2))
    spec = DataSpec(descriptor, str(root), "list.txt", "list.txt", classes, labels)
    return build_dataset(spec, "val", InferenceTransform())


def test_pixels_files_and_ignored_ones_are_counted(tmp_path: Path, save: Save) -> None:
    counts = count_labels(dataset(tmp_path, save, [[0, 0, 1, IGNORE], [0, 0, 0, 0]]), range(2))
    assert (counts.pixels, counts.files, counts.ignored, counts.read) == ((24, 4, 0), (2, 1, 0), 4, 2)


def test_a_class_without_a_pixel_is_said(tmp_path: Path, save: Save) -> None:
    mask = count_labels(dataset(tmp_path, save, [[0, 255]], classes=2), range(1))
    (line,) = remarks(mask)
    assert line == "no label of the 1 that were read has a pixel of class_1; 4 pixels are ignored (255 is always)"
    assert remarks(count_labels(dataset(tmp_path, save, [[0, 1]], classes=2), range(1))) == []


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("objects", "no label of the 4 that were read has an object of car"),
        ("points", "no label of the 4 that were read has the point car"),
        ("pictures", "no picture of the 4 that were read is of class car"),
    ],
)
def test_a_class_that_isnt_seen_is_said_in_the_words_of_the_task(unit: str, said: str) -> None:
    assert remarks(LabelCounts(("bus", "car"), (3, 0), (3, 0), 0, 4, unit)) == [said]


def test_one_class_is_said(tmp_path: Path, save: Save) -> None:
    (line,) = remarks(count_labels(dataset(tmp_path, save, [[0, 0]], classes=1), range(1)))
    assert "one class" in line


def test_labels_that_all_are_ignored_are_refused_with_their_values(tmp_path: Path, save: Save) -> None:
    void = dataset(tmp_path, save, [[0, 1], [2, 255]], labels="labelIds")
    with pytest.raises(UserError, match=r"every pixel of the 2 labels of TEST_SET is ignored: 0, 1, 2, 255 mean no"):
        require_classes(void, range(2), "TEST_SET")


def test_one_pixel_of_a_class_is_enough(tmp_path: Path, save: Save) -> None:
    require_classes(dataset(tmp_path, save, [[0, 1], [2, 11]], labels="labelIds"), range(2), "TEST_SET")
