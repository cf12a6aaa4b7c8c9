"""The training transform of pictures with objects: random scale, crop, flip and colour, and the boxes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from qat.data.augmentation import Picture, jitter
from qat.deploy.normalise import lookup, table
from qat.errors import UserError

LEAST_SIDE = 3  # pixels of a box in the crop
LEAST_SHARE = 0.3  # of a box's area that the crop holds
GREY = 114  # around a picture that is smaller than the crop
Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class ObjectTransform:
    """`crop`: width, height. `base_size`: the long side at scale 1; with `multi_scale` it is times 0.5 to 1.5.

    `mean`, `std`: of RGB / 255. `color`: strength of random brightness, contrast and saturation.
    """

    crop: tuple[int, int]
    base_size: int
    mean: Sequence[float]
    std: Sequence[float]
    multi_scale: bool = True
    flip: bool = True
    color: float = 0.0

    def __call__(self, image: Picture, label: Boxes | None, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """(H, W, 3) and (n, 5), class and corners as shares -> image float32 (3, h, w), label float32 (m, 5)."""
        if label is None:
            raise UserError("training needs labels; DATASET.TRAIN_SET names a split or list without them")
        if self.multi_scale:
            image = _scaled(image, self.base_size * rng.uniform(0.5, 1.5))
        image, boxes = _cut(image, label, self.crop, rng)
        if self.flip and rng.integers(2):
            image, boxes = np.ascontiguousarray(image[:, ::-1]), _mirrored(boxes, self.crop[0])
        normalised = lookup(jitter(image, self.color, rng), table(self.mean, self.std))
        boxes[:, 1:] /= np.asarray([*self.crop, *self.crop], np.float32)
        return {"image": torch.from_numpy(normalised).permute(2, 0, 1), "label": torch.from_numpy(boxes)}


def _scaled(image: Picture, long_side: float) -> Picture:
    ratio = long_side / max(image.shape[:2])
    size = (max(round(image.shape[1] * ratio), 1), max(round(image.shape[0] * ratio), 1))
    scaled: Picture = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)  # type: ignore[assignment]
    return scaled


def _cut(image: Picture, label: Boxes, crop: tuple[int, int], rng: np.random.Generator) -> tuple[Picture, Boxes]:
    """A random part of the size `crop`, grey where the picture ends, and the boxes in it, in pixels."""
    height, width = image.shape[:2]
    left = int(rng.integers(max(0, width - crop[0]), endpoint=True))
    top = int(rng.integers(max(0, height - crop[1]), endpoint=True))
    part = image[top : top + crop[1], left : left + crop[0]]
    whole = np.full((crop[1], crop[0], image.shape[2]), GREY, np.uint8)
    whole[: part.shape[0], : part.shape[1]] = part
    boxes = label.copy()
    boxes[:, 1:] = label[:, 1:] * [width, height, width, height] - [left, top, left, top]
    return whole, _inside(boxes, (part.shape[1], part.shape[0]))


def _inside(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """The parts of the boxes inside a picture of `size`, of those that show enough."""
    cut = boxes.copy()
    cut[:, 1:] = boxes[:, 1:].clip(0, [*size, *size])
    before, sides = boxes[:, 3:] - boxes[:, 1:3], cut[:, 3:] - cut[:, 1:3]
    enough = (sides.min(1, initial=np.inf) >= LEAST_SIDE) & (sides.prod(1) >= LEAST_SHARE * before.prod(1))
    inside: Boxes = cut[enough]
    return inside


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    mirrored: Boxes = np.column_stack([boxes[:, 0], width - boxes[:, 3], boxes[:, 2], width - boxes[:, 1], boxes[:, 4]])
    return mirrored
