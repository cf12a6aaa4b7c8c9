from __future__ import annotations

import cv2
import numpy as np

from qat.data.descriptor import ClassSet, distinct_colours
from qat.report.class_png import class_png
from qat.report.modes import Painter, changes
from qat.report.overlay import overlay

PALETTE = np.array([[255, 0, 0], [0, 0, 200]], np.uint8)
IMAGE = np.full((4, 80, 3), 90, np.uint8)
CLASSES = np.stack([np.zeros((4, 80), np.uint8), np.zeros((4, 80), np.uint8)])
CLASSES[1, 0, :8] = 1


def painted(mode: str, widest: int = 0) -> np.ndarray:
    return Painter(mode, ("float", "int_infer"), ("road", "car"), PALETTE, widest)(IMAGE, CLASSES)


def test_a_mode_shows_the_last_stage() -> None:
    np.testing.assert_array_equal(painted("mask"), CLASSES[1])
    np.testing.assert_array_equal(painted("colour")[0, 7], [0, 0, 200])
    np.testing.assert_array_equal(painted("overlay"), overlay(IMAGE, CLASSES[1], PALETTE))


def test_comparing_shows_both_and_what_changed() -> None:
    title, dark = changes(IMAGE, CLASSES)
    assert title == "changed: 2.500%"
    assert (dark[0, :8] == 255).all()
    assert (dark[1:] == 30).all()
    assert painted("compare").shape[1] == 3 * 80 + 2 * 8


def test_a_wide_picture_is_scaled_down() -> None:
    assert painted("compare", 128).shape[1] == 128
    assert painted("overlay", 128).shape[1] == 80


def test_a_class_png_holds_ids_and_shows_colours() -> None:
    classes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    palette = distinct_colours(PALETTE, 256)
    shown = cv2.imdecode(np.frombuffer(class_png(classes, palette), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown[..., ::-1].reshape(-1, 3), palette)


def test_any_number_of_classes_has_a_colour_each() -> None:
    few = ClassSet(("road", "car"), PALETTE)
    for count in (1, 3, 19, 256):
        colours = few.resized(count).palette
        assert len(np.unique(colours, axis=0)) == count
    np.testing.assert_array_equal(few.resized(3).palette[:2], PALETTE)
