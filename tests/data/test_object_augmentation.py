from __future__ import annotations

import numpy as np
import pytest

from qat.data.object_augmentation import ObjectTransform
from qat.errors import UserError

MEAN, STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def painted(height: int = 96, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A black picture with two bright objects, and their boxes."""
    image, boxes = np.zeros((height, width, 3), np.uint8), []
    for kind, (left, top, right, bottom) in enumerate([(8, 10, 40, 30), (90, 40, 130, 90)]):
        image[top:bottom, left:right, kind] = 255
        boxes.append((kind, left / width, top / height, right / width, bottom / height))
    return image, np.array(boxes, np.float32)


@pytest.mark.parametrize("multi_scale", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_boxes_stay_around_their_objects(seed: int, multi_scale: bool) -> None:
    transform = ObjectTransform((128, 64), 160, MEAN, STD, multi_scale=multi_scale)
    sample = transform(*painted(), np.random.default_rng(seed))
    image, label = sample["image"].numpy(), sample["label"].numpy()
    assert image.shape == (3, 64, 128)
    for kind, *corners in label:
        rows, columns = np.nonzero(image[int(kind)] > 0.5)
        left, top, right, bottom = np.array(corners) * [128, 64, 128, 64]
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.array([left, top, right, bottom]) - seen).max() <= 1.01


def test_a_box_of_which_too_little_is_seen_goes() -> None:
    image, boxes = painted()
    transform = ObjectTransform((32, 96), 160, MEAN, STD, multi_scale=False, flip=False)
    for seed in range(24):
        sample = transform(image, boxes, np.random.default_rng(seed))
        seen = (sample["image"] > 0.5).flatten(1).sum(1)[:2].numpy()
        whole = [32 * 20, 40 * 50]
        expected = [kind for kind in range(2) if seen[kind] >= 0.3 * whole[kind]]
        assert sample["label"][:, 0].tolist() == expected


def test_a_small_picture_lies_on_grey() -> None:
    transform = ObjectTransform((256, 128), 160, MEAN, STD, multi_scale=False, flip=False)
    image = transform(*painted(), np.random.default_rng(0))["image"].numpy()
    assert np.allclose(image[:, 96:], 114 / 255)
    assert np.allclose(image[:, :, 160:], 114 / 255)


def test_pictures_without_labels_are_refused() -> None:
    with pytest.raises(UserError, match="training needs labels"):
        ObjectTransform((64, 64), 160, MEAN, STD)(painted()[0], None, np.random.default_rng(0))
