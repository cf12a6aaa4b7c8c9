from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from qat.data.augmentation import TrainingTransform, boundary_map, jitter
from qat.data.descriptor import IGNORE
from qat.data.transforms import normalise
from qat.errors import UserError

RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 19, (4, 8)).repeat(16, 0).repeat(16, 1).astype(np.uint8)  # 64 x 128
IMAGE = np.stack([LABEL * 10, LABEL, 255 - LABEL], axis=2)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = TrainingTransform((128, 64), 128, 16, MEAN, STD, multi_scale=False, flip=False)


def sample(transform: TrainingTransform, seed: int = 0) -> dict[str, torch.Tensor]:
    return transform(IMAGE.copy(), LABEL.copy(), np.random.default_rng(seed))


def pixels(image: torch.Tensor) -> np.ndarray:
    """The uint8 (h, w, 3) that was normalised."""
    std, mean = (np.array(v)[:, None, None] for v in (PLAIN.std, PLAIN.mean))
    return np.rint((image.numpy() * std + mean) * 255).astype(np.uint8).transpose(1, 2, 0)


def test_without_augmentation_it_normalises() -> None:
    result = sample(PLAIN)
    assert {key: (value.dtype, tuple(value.shape)) for key, value in result.items()} == {
        "image": (torch.float32, (3, 64, 128)),
        "label": (torch.int64, (64, 128)),
        "edge": (torch.float32, (64, 128)),
    }
    assert torch.equal(result["image"], normalise(torch.from_numpy(IMAGE)[None], PLAIN.mean, PLAIN.std)[0])
    np.testing.assert_array_equal(result["label"], LABEL)
    assert set(result["edge"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("seed", range(4))
def test_image_label_and_edge_move_together(seed: int) -> None:
    result = sample(replace(PLAIN, crop=(96, 40), flip=True), seed)
    label = result["label"].numpy()
    np.testing.assert_array_equal(pixels(result["image"])[..., 1], label)
    changes = np.zeros(label.shape, bool)
    changes[:, 1:] = label[:, 1:] != label[:, :-1]
    assert result["edge"].numpy()[changes].mean() > 0.7  # Canny thins corners, the rim is free


def test_flips_come_and_go() -> None:
    flipped = [
        bool((sample(replace(PLAIN, flip=True), seed)["label"].numpy() == LABEL[:, ::-1]).all()) for seed in range(20)
    ]
    assert 3 < sum(flipped) < 17


def test_a_picture_smaller_than_the_crop_is_padded_and_ignored() -> None:
    result = sample(replace(PLAIN, crop=(160, 80), color=0.5))
    label, image, edge = result["label"].numpy(), pixels(result["image"]), result["edge"].numpy()
    np.testing.assert_array_equal(label[:64, :128], LABEL)
    padding = np.ones((80, 160), bool)
    padding[:64, :128] = False
    assert (label[padding] == IGNORE).all()
    assert image[padding].max() == 0
    assert edge[padding].max() == 0


def test_scales_cover_the_official_range() -> None:
    transform = replace(PLAIN, multi_scale=True, crop=(400, 200), base_size=128)
    labels = [sample(transform, seed)["label"].numpy() for seed in range(100)]
    sizes = {int((label[0] != IGNORE).sum()) for label in labels}
    assert sizes == {int(128 * (0.5 + step / 10) + 0.5) for step in range(17)}
    assert set(np.unique(labels)) == {*np.unique(LABEL), IGNORE}
    assert {round((label[:, 0] != IGNORE).sum() / (label[0] != IGNORE).sum(), 1) for label in labels} == {0.5}


def test_one_seed_is_one_picture() -> None:
    transform = replace(PLAIN, multi_scale=True, flip=True, color=0.3, crop=(64, 32))
    assert torch.equal(sample(transform, 7)["image"], sample(transform, 7)["image"])
    assert not torch.equal(sample(transform, 7)["image"], sample(transform, 8)["image"])


def test_training_needs_labels() -> None:
    with pytest.raises(UserError, match="training needs labels"):
        PLAIN(IMAGE, None, RNG)


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


GREYISH = np.random.default_rng(0).integers(60, 180, (20, 30, 3), np.uint8)


def test_strength_zero_changes_nothing() -> None:
    np.testing.assert_array_equal(jitter(GREYISH, 0.0, np.random.default_rng(1)), GREYISH)


def test_the_change_grows_with_the_strength() -> None:
    def change(strength: float) -> float:
        pictures = [jitter(GREYISH, strength, np.random.default_rng(seed)) for seed in range(8)]
        return float(np.mean([np.abs(picture.astype(int) - GREYISH).mean() for picture in pictures]))

    assert 1 < change(0.1) < change(0.3) < change(0.6) < 100


def test_brightness_goes_both_ways() -> None:
    means = [jitter(GREYISH, 0.4, np.random.default_rng(seed)).mean() / GREYISH.mean() for seed in range(30)]
    assert min(means) < 0.8
    assert max(means) > 1.2
    assert min(means) > 0.55
    assert max(means) < 1.45


def test_grey_stays_grey_and_keeps_its_order() -> None:
    grey = np.repeat(np.linspace(50, 200, 30, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(5):
        picture = jitter(grey, 0.5, np.random.default_rng(seed)).astype(int)
        assert np.ptp(picture, axis=2).max() <= 1
        assert (np.diff(picture[0, :, 0]) >= 0).all()
