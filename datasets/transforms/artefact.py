"""Pictures as a compiled artefact takes them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from yacs.config import CfgNode

from datasets.transforms.normalise import normalise


def artefact_input(cfg: CfgNode, size: list[int]) -> Callable[[Tensor], Tensor]:
    """uint8 (N, H, W, 3) -> (N, 3, h, w) of `size` (width, height), contiguous: normalised float32, or raw uint8.

    Pictures of another size are scaled (bilinear). COMPILE.INPUT says which of the two.
    """

    def convert(images: Tensor) -> Tensor:
        fitted = resized(images, size)
        if cfg.COMPILE.INPUT == "uint8":
            return fitted.permute(0, 3, 1, 2).contiguous()
        return normalise(fitted, cfg.DATASET.MEAN, cfg.DATASET.STD).contiguous()

    return convert


def resized(images: Tensor, size: list[int]) -> Tensor:
    """uint8 (N, H, W, 3) scaled to `size` (width, height)."""
    if [images.shape[2], images.shape[1]] == list(size):
        return images
    scaled = [cv2.resize(image, tuple(size), interpolation=cv2.INTER_LINEAR) for image in images.numpy()]
    return torch.from_numpy(np.stack(scaled))
