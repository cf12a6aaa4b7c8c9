"""The transform of training: random scale, crop, flip and colour, the boundary map, then normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from yacs.config import CfgNode

from qat.data.labels import IGNORE
from qat.data.transforms.boundary import boundary_map
from qat.data.transforms.colour import jitter
from qat.data.transforms.normalise import lookup, table
from qat.errors import UserError

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class TrainingTransform:
    """The official PIDNet's augmentation, and colour. The arithmetic stays in uint8 until the crop is normalised."""

    crop: tuple[int, int]  # width, height
    base_size: int  # long side at scale 1
    scale_factor: int  # scale is 0.5 + randint(0, scale_factor) / 10; used with multi_scale
    multi_scale: bool = True
    flip: bool = True
    color: float = 0.0
    mean: Sequence[float] = (0.485, 0.456, 0.406)
    std: Sequence[float] = (0.229, 0.224, 0.225)

    @classmethod
    def from_cfg(cls, cfg: CfgNode) -> TrainingTransform:
        """From the keys TRAIN.* and DATASET.MEAN, DATASET.STD."""
        train = cfg.TRAIN
        width, height = train.IMAGE_SIZE
        options = (train.MULTI_SCALE, train.FLIP, train.COLOR, tuple(cfg.DATASET.MEAN), tuple(cfg.DATASET.STD))
        return cls((width, height), train.BASE_SIZE, train.SCALE_FACTOR, *options)

    def __call__(self, image: Picture, label: Picture | None, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """(H, W, 3), (H, W) train ids -> image float32 (3, h, w), label int64 (h, w), edge float32 (h, w), 0/1."""
        if label is None:
            raise UserError("training needs labels; DATASET.TRAIN_SET names a split or list without them")
        planes = (image, label, boundary_map(label))
        if self.multi_scale:
            planes = _resize(planes, self.base_size * (0.5 + rng.integers(0, self.scale_factor, endpoint=True) / 10))
        image, label, edge = _flip(_cut(planes, self.crop, rng), self.flip and bool(rng.integers(2)))
        image = _pad(jitter(image, self.color, rng), self.crop, 0)
        return self._tensors(image, _pad(label, self.crop, IGNORE), _pad(edge, self.crop, 0))

    def _tensors(self, image: Picture, label: Picture, edge: Picture) -> dict[str, torch.Tensor]:
        normalised = lookup(image, table(self.mean, self.std))
        return {
            "image": torch.from_numpy(normalised).permute(2, 0, 1),
            "label": torch.from_numpy(label.astype(np.int64)),
            "edge": torch.from_numpy(edge.astype(np.float32)),
        }


Planes = tuple[Picture, Picture, Picture]  # image, label, edge


def _resize(planes: Planes, long_side: float) -> Planes:
    height, width = planes[1].shape
    ratio = int(long_side + 0.5) / max(height, width)
    size = (int(width * ratio + 0.5), int(height * ratio + 0.5))
    image, *maps = planes
    label, edge = (cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in maps)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), label, edge  # type: ignore[return-value]


def _cut(planes: Planes, crop: tuple[int, int], rng: np.random.Generator) -> Planes:
    """At most `crop` of the planes, from a random place."""
    height, width = planes[1].shape
    left = int(rng.integers(max(0, width - crop[0]), endpoint=True))
    top = int(rng.integers(max(0, height - crop[1]), endpoint=True))
    image, label, edge = (plane[top : top + crop[1], left : left + crop[0]] for plane in planes)
    return image, label, edge


def _flip(planes: Planes, mirror: bool) -> Planes:
    image, label, edge = (np.ascontiguousarray(plane[:, ::-1] if mirror else plane) for plane in planes)
    return image, label, edge


def _pad(plane: Picture, crop: tuple[int, int], value: int) -> Picture:
    """Right and below, up to `crop`."""
    down, right = crop[1] - plane.shape[0], crop[0] - plane.shape[1]
    return cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(value,) * 3)  # type: ignore[return-value]
