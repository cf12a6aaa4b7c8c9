"""Random persons: the points go where the pixels go."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qat.data.person_augmentation import PersonTransform, mirrored
from qat.errors import UserError

PLAIN = {"crop": (48, 64), "mean": (0, 0, 0), "std": (1, 1, 1), "mirrored": (0, 2, 1)}


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Three squares, each alone in a channel, and the points in their middles."""
    image, places = np.zeros((128, 96, 3), np.uint8), [(48, 30), (30, 64), (66, 100)]
    for channel, (x, y) in enumerate(places):
        image[y - 4 : y + 4, x - 4 : x + 4, channel] = 255
    return image, np.array([[x, y, 2, 900] for x, y in places], np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_points_follow_their_pixels(seed: int) -> None:
    image, label = picture()
    sample = PersonTransform(**PLAIN)(image, label, np.random.default_rng(seed))  # type: ignore[arg-type]
    light = sample["image"].double()
    rows, columns = (torch.arange(side) + 0.5 for side in light.shape[1:])
    for channel in light:
        middle = torch.stack([(channel.sum(0) * columns).sum(), (channel.sum(1) * rows).sum()]) / channel.sum()
        assert (sample["label"][:, :2] - middle).norm(dim=1).min() < 0.4
    assert sample["label"][0, 3] == pytest.approx(900 / 4, rel=0.6)
    assert sorted(sample["label"][:, 2].tolist()) == [2, 2, 2]


def test_a_mirror_exchanges_left_and_right() -> None:
    image, label = picture()
    still = PersonTransform(**(PLAIN | {"places": False}))  # type: ignore[arg-type]
    found = [still(image, label, np.random.default_rng(seed))["label"] for seed in range(8)]
    flipped = next(one for one in found if one[1, 1] != label[1, 1] / 2)
    np.testing.assert_allclose(flipped[:, :2], [[24, 15], [15, 50], [33, 32]])
    assert mirrored(["head", "Right hand", "hand left"]) == (0, 1, 2)


def test_a_point_outside_has_no_label() -> None:
    image, label = picture()
    label[0, :2] = (200, 30)
    sample = PersonTransform(**(PLAIN | {"places": False, "flip": False}))(image, label, np.random.default_rng(0))  # type: ignore[arg-type]
    assert sample["label"][:, 2].tolist() == [0, 2, 2]


def test_training_needs_labels() -> None:
    with pytest.raises(UserError, match="training needs labels"):
        PersonTransform(**PLAIN)(picture()[0], None, np.random.default_rng(0))  # type: ignore[arg-type]
