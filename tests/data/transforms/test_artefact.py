from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from qat.data.transforms import normalise
from qat.data.transforms.artefact import artefact_input, resized
from qat.data.yuv import rgb_to_centred_yuv

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), np.uint8))
SAME = {"width": 24, "height": 16}


def test_normalised_floats_as_every_stage_gets_them() -> None:
    given = artefact_input(SAME | {"type": "float"}, MEAN, STD)(IMAGES)
    assert given.is_contiguous()
    torch.testing.assert_close(given, normalise(IMAGES, MEAN, STD), rtol=0, atol=0)


def test_raw_pixels_stay_what_they_are() -> None:
    given = artefact_input(SAME | {"type": "uint8"}, MEAN, STD)(IMAGES)
    assert given.is_contiguous()
    assert given.dtype == torch.uint8
    np.testing.assert_array_equal(given.permute(0, 2, 3, 1), IMAGES)


def test_the_boards_camera() -> None:
    given = artefact_input(SAME | {"source": "pyramid"}, MEAN, STD)(IMAGES)
    torch.testing.assert_close(given, rgb_to_centred_yuv(IMAGES.permute(0, 3, 1, 2).float()), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_pictures_of_another_size_are_scaled(kind: str) -> None:
    given = artefact_input({"width": 12, "height": 40, "type": kind}, MEAN, STD)
    scaled = torch.from_numpy(np.stack([cv2.resize(image, (12, 40)) for image in IMAGES.numpy()]))
    wanted = artefact_input({"width": 12, "height": 40, "type": kind}, MEAN, STD)(scaled)
    assert given(IMAGES).shape == (2, 3, 40, 12)
    torch.testing.assert_close(given(IMAGES), wanted, rtol=0, atol=0)


def test_pictures_of_the_same_size_are_not_copied() -> None:
    assert resized(IMAGES, [24, 16]) is IMAGES
