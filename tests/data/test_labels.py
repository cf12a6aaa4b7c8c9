from __future__ import annotations

import numpy as np

from qat.data import labels


def test_the_label_id_table_starts_as_ignore() -> None:
    table = labels.LABELID_TO_TRAINID
    assert table.shape == (256,)
    assert table.dtype == np.uint8
    assert (table != labels.IGNORE).sum() == 19
    assert {table[v] for v in (0, 6, 9, 14, 18, 29, 30, 34, 200, 255)} == {labels.IGNORE}


def test_known_ids_of_cityscapes() -> None:
    known = {"road": 7, "sidewalk": 8, "pole": 17, "sky": 23, "car": 26, "bus": 28, "train": 31, "bicycle": 33}
    for name, label_id in known.items():
        assert labels.CITYSCAPES_CLASSES[labels.LABELID_TO_TRAINID[label_id]] == name


def test_every_class_has_one_colour_and_weights_where_published() -> None:
    for classes, count in ((labels.CITYSCAPES, 19), (labels.CAMVID, 11)):
        assert len(set(classes.names)) == count
        assert len(np.unique(classes.palette, axis=0)) == count
    assert len(labels.CITYSCAPES_WEIGHTS) == 19
    assert abs(np.mean(labels.CITYSCAPES_WEIGHTS) - 1) < 0.01


def test_another_number_of_classes_gets_numbered_names() -> None:
    assert labels.CITYSCAPES.resized(19) is labels.CITYSCAPES
    other = labels.CITYSCAPES.resized(25)
    assert other.names[24] == "class 24"
    assert other.palette.shape == (25, 3)
    assert other.weights is None
