from __future__ import annotations

from qat.data import read_descriptor


def test_another_number_of_classes_gets_numbered_names() -> None:
    classes = read_descriptor("cityscapes").class_set
    assert classes.resized(19) is classes
    other = classes.resized(25)
    assert other.names[24] == "class 24"
    assert other.palette.shape == (25, 3)
    assert other.weights is None
