"""Pictures as a compiled artefact takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from qat.data.transforms.normalise import normalise
from qat.data.yuv import rgb_to_centred_yuv


def artefact_input(given: Mapping[str, Any], mean: Sequence[float], std: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """uint8 (N, H, W, 3) -> (N, 3, h, w), contiguous, scaled (bilinear) where the sizes differ.

    `given`: the manifest's `input`: width, height; type float (normalised) or uint8 (raw RGB); or J5's source pyramid
    (centred YUV444).
    """
    size = [given["width"], given["height"]]

    def convert(images: Tensor) -> Tensor:
        fitted = resized(images, size)
        if given.get("source") == "pyramid":
            return rgb_to_centred_yuv(fitted.permute(0, 3, 1, 2).float()).contiguous()
        if given.get("type") == "uint8":
            return fitted.permute(0, 3, 1, 2).contiguous()
        return normalise(fitted, mean, std).contiguous()

    return convert


def resized(images: Tensor, size: list[int]) -> Tensor:
    """uint8 (N, H, W, 3) scaled to `size` (width, height)."""
    if [images.shape[2], images.shape[1]] == list(size):
        return images
    scaled = [cv2.resize(image, tuple(size), interpolation=cv2.INTER_LINEAR) for image in images.numpy()]
    return torch.from_numpy(np.stack(scaled))
