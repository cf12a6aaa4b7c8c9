from __future__ import annotations

import cv2
import numpy as np

from qat.data.transforms.boundary import boundary_map


def test_a_flat_label_has_no_boundary() -> None:
    assert boundary_map(np.full((40, 60), 7, np.uint8)).max() == 0


def test_a_straight_edge_is_a_thin_band() -> None:
    label = np.zeros((40, 60), np.uint8)
    label[:, 30:] = 1
    band = boundary_map(label)
    assert set(np.unique(band)) == {0, 1}
    columns = np.flatnonzero(band[20])
    assert 4 <= len(columns) <= 5
    assert columns.min() >= 27
    assert columns.max() <= 32


def test_the_rim_is_free_even_where_the_label_changes() -> None:
    label = np.zeros((40, 60), np.uint8)
    label[:3], label[-3:], label[:, :3], label[:, -3:] = 255, 255, 255, 255
    assert boundary_map(label).max() == 0


def test_every_boundary_pixel_lies_at_a_class_change() -> None:
    label = np.random.default_rng(0).integers(0, 19, (8, 10)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    changes = np.zeros(label.shape, bool)
    changes[:, 1:] |= label[:, 1:] != label[:, :-1]
    changes[1:] |= label[1:] != label[:-1]
    near = cv2.dilate(changes.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
    band = boundary_map(label) > 0
    assert band.any()
    assert not (band & ~near).any()
