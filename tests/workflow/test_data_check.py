"""What check says of the pictures and labels that a config names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from yacs.config import CfgNode

from qat.config import load_config
from qat.data.set_findings import class_table
from qat.workflow.data_check import data_findings

DESCRIPTOR = """\
{name: dots, images: 'images/{split}', labels: 'masks/{split}', void: [9],
 classes: [{name: ground, id: 0}, {name: dot, id: 1}, {name: line, id: 2}]}
"""


def config(root: Path, values: list[int], *opts: str) -> CfgNode:
    for split, count in (("train", 3), ("val", 1)):
        for index in range(count):
            for kind, pixels in (("images", np.zeros((8, 12, 3))), ("masks", np.resize(values, (8, 12)))):
                path = root / kind / split / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), pixels.astype(np.uint8))
    (root / "dots.yaml").write_text(DESCRIPTOR)
    return load_config(None, ["DATASET.DATASET", str(root / "dots.yaml"), "DATASET.ROOT", str(root), *opts])


def test_sizes_encodings_and_classes_are_counted(tmp_path: Path) -> None:
    train, val = data_findings(config(tmp_path, [0, 0, 1, 9]))
    assert train.summary == (
        "train (train): 3 pictures; 3 were read: 3 of 12 x 8; labels are dots ids, 25.00% of pixels are ignored"
    )
    assert val.labels is not None
    assert val.labels.pixels == (48, 24, 0)
    (remark,) = train.remarks
    assert "no label" in remark
    assert "line" in remark
    assert class_table((train, val)).row_count == 3


def test_labels_that_all_are_ignored_are_a_problem(tmp_path: Path) -> None:
    train, _ = data_findings(config(tmp_path, [9, 255]))
    assert "every pixel of the 3 labels of train (train) is ignored: 9, 255 mean no class" in train.problem


def test_a_set_that_is_not_there_is_said(tmp_path: Path) -> None:
    train, val = data_findings(config(tmp_path, [0, 1], "DATASET.TRAIN_SET", "none.txt"))
    assert "none.txt" in train.summary
    assert not train.pictures
    assert not val.problem


def test_nothing_is_generated(tmp_path: Path) -> None:
    train, val = data_findings(load_config("streets/pidnet_s", ["DATASET.ROOT", str(tmp_path / "streets")]))
    assert "generated" in train.problem
    assert "generated" in val.problem
    assert not list(tmp_path.iterdir())
