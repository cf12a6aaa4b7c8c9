from __future__ import annotations

import numpy as np
import torch

from qat.data.transforms import InferenceTransform

RNG = np.random.default_rng(0)


def test_pixels_stay_as_they_are() -> None:
    image, label = RNG.integers(0, 256, (4, 6, 3), np.uint8), RNG.integers(0, 19, (4, 6), np.uint8)
    sample = InferenceTransform()(image, label, RNG)
    assert {key: (value.dtype, value.shape) for key, value in sample.items()} == {
        "image": (torch.uint8, (4, 6, 3)),
        "label": (torch.uint8, (4, 6)),
    }
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["label"], label)


def test_no_label_is_left_out() -> None:
    assert set(InferenceTransform()(np.zeros((2, 2, 3), np.uint8), None, RNG)) == {"image"}
