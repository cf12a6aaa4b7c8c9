"""A person in a network's input, and points back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from qat.deploy.person_crop import PersonCrop, whole_picture

BOXES = [(20.0, 10.0, 60.0, 90.0), (5.5, 40.25, 95.0, 60.0), (-10.0, -20.0, 60.0, 80.0)]


@pytest.mark.parametrize("box", BOXES)
def test_points_go_there_and_back(box: tuple[float, float, float, float]) -> None:
    crop = PersonCrop(box, (96, 128))
    points = np.random.default_rng(0).uniform(0, 100, (20, 3))
    np.testing.assert_allclose(crop.back(crop.into(points)), points, atol=1e-9)
    corners = crop.into(np.array([box[:2], box[2:]]))
    np.testing.assert_allclose(corners.mean(0), [48, 64])
    assert max((corners[1] - corners[0]) / [96, 128]) == pytest.approx(0.8)  # a quarter more around it
    assert crop.longer_side == pytest.approx(max(corners[1] - corners[0]))


@pytest.mark.parametrize("box", BOXES)
def test_the_pixels_lie_where_the_points_do(box: tuple[float, float, float, float]) -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    cv2.rectangle(picture, (20, 40), (27, 47), (255, 255, 255), -1)  # 20 to 28 and 40 to 48 from the corner
    crop = PersonCrop(box, (96, 128))
    light = crop.cut(picture)[..., 0].astype(float)
    rows, columns = np.mgrid[:128, :96] + 0.5
    middle = [(columns * light).sum() / light.sum(), (rows * light).sum() / light.sum()]
    np.testing.assert_allclose(middle, crop.into(np.array([[24.0, 44.0]]))[0], atol=0.1)


def test_a_whole_picture_keeps_its_shape() -> None:
    picture = np.full((50, 50, 1), 200, np.uint8)
    seen = whole_picture(picture, (96, 128)).cut(picture)
    assert seen.shape == (128, 96, 1)
    assert (seen[17:111, 1:95] == 200).all()
    assert not seen[:15].any()
