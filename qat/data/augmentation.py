"""The training transform: random scale, crop, flip and colour, then the boundary map and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from qat.data.descriptor import IGNORE
from qat.deploy.normalise import lookup, table
from qat.errors import UserError

Picture = NDArray[np.uint8]
_FRAME = 6  # pixels at each side without boundary: there the label's own rim lies
_THICKNESS = 4  # pixels, side of the square that dilates


@dataclass(frozen=True)
class TrainingTransform:
    """The official PIDNet's augmentation, and colour. The arithmetic stays in uint8 until the crop is normalised."""

    crop: tuple[int, int]  # width, height
    base_size: int  # long side at scale 1
    scale_factor: int  # scale is 0.5 + randint(0, scale_factor) / 10; used with multi_scale
    mean: Sequence[float]  # of RGB / 255
    std: Sequence[float]
    multi_scale: bool = True
    flip: bool = True
    color: float = 0.0  # strength of random brightness, contrast and saturation

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
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], image.shape[2])
    return scaled, label, edge  # type: ignore[return-value]


def _cut(planes: Planes, crop: tuple[int, int], rng: np.random.Generator) -> Planes:
    """Cuts at most `crop` out of the planes, at a random place."""
    height, width = planes[1].shape
    left = int(rng.integers(max(0, width - crop[0]), endpoint=True))
    top = int(rng.integers(max(0, height - crop[1]), endpoint=True))
    image, label, edge = (plane[top : top + crop[1], left : left + crop[0]] for plane in planes)
    return image, label, edge


def _flip(planes: Planes, mirror: bool) -> Planes:
    image, label, edge = (np.ascontiguousarray(plane[:, ::-1] if mirror else plane) for plane in planes)
    return image, label, edge


def _pad(plane: Picture, crop: tuple[int, int], value: int) -> Picture:
    """Pads at the right and below, up to `crop`."""
    down, right = crop[1] - plane.shape[0], crop[0] - plane.shape[1]
    whole: Picture = cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(value,) * 3)  # type: ignore[assignment]
    return whole.reshape(*whole.shape[:2], *plane.shape[2:])


def boundary_map(label: Picture) -> Picture:
    """(H, W) train ids -> (H, W) 0 or 1: 1 within two pixels of a class change, but not at the picture's rim.

    As in the official PIDNet: Canny on the train ids, a 6-pixel frame zeroed, 4x4 dilation.
    """
    edge = cv2.Canny(label, 0.1, 0.2)
    inner = np.zeros_like(edge)
    rows, columns = slice(_FRAME, -_FRAME), slice(_FRAME, -_FRAME)
    inner[rows, columns] = edge[rows, columns] // 255
    return cv2.dilate(inner, np.ones((_THICKNESS, _THICKNESS), np.uint8))  # type: ignore[return-value]


def jitter(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """(H, W, 3) RGB -> the same with brightness, contrast and saturation each times 1 +- `strength` (0 = unchanged).

    Other numbers of channels have no saturation.
    """
    if strength == 0:
        return image
    brightness, contrast, saturation = rng.uniform(max(0.0, 1 - strength), 1 + strength, size=3)
    changed = _contrast(image, brightness, contrast)
    return _saturate(changed, saturation) if image.shape[2] == 3 else changed


def _contrast(image: Picture, brightness: float, contrast: float) -> Picture:
    """About the mean, so that contrast doesn't darken or lighten."""
    pivot = brightness * float(np.mean(cv2.mean(image)[:3]) if image.shape[2] == 3 else image.mean())
    values = pivot + (np.arange(256) * brightness - pivot) * contrast
    return cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8)).reshape(image.shape)  # type: ignore[return-value]


def _saturate(image: Picture, saturation: float) -> Picture:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)  # type: ignore[return-value]
