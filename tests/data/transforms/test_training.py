from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from qat.config import load_config
from qat.data.labels import IGNORE
from qat.data.transforms import TrainingTransform, normalise
from qat.errors import UserError

RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 19, (4, 8)).repeat(16, 0).repeat(16, 1).astype(np.uint8)  # 64 x 128
IMAGE = np.stack([LABEL * 10, LABEL, 255 - LABEL], axis=2)
PLAIN = TrainingTransform((128, 64), base_size=128, scale_factor=16, multi_scale=False, flip=False)


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


def test_from_the_config() -> None:
    cfg = load_config(None, ["TRAIN.IMAGE_SIZE", "[100, 50]", "TRAIN.COLOR", "0.2", "TRAIN.FLIP", "False"])
    transform = TrainingTransform.from_cfg(cfg)
    assert transform == TrainingTransform((100, 50), 2048, 16, multi_scale=True, flip=False, color=0.2)


def test_training_needs_labels() -> None:
    with pytest.raises(UserError, match="training needs labels"):
        PLAIN(IMAGE, None, RNG)
