"""Flip and multi-scale testing against HRNet's steps, written out pixel by pixel with OpenCV's resizing."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qat.evaluation.augmented import SCALES, Augmented, augmented_scores

WINDOW = (16, 32)  # height, width: a picture's own size


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(3, 4, 3, stride=2, padding=1).eval()


def logits(x: Tensor) -> Tensor:
    return nn.functional.interpolate(network()(x), x.shape[2:], mode="bilinear", align_corners=False)


def seen(image: np.ndarray, flip: bool) -> np.ndarray:
    """exp(logits) (H, W, classes) of a picture (H, W, 3)."""
    found = logits(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0].numpy()
    if flip:
        mirrored = image[:, ::-1].transpose(2, 0, 1).copy()
        found = (found + logits(torch.from_numpy(mirrored)[None])[0].numpy()[:, :, ::-1]) / 2
    return np.exp(found).transpose(1, 2, 0)


def expected(image: np.ndarray, scales: tuple[float, ...], flip: bool) -> np.ndarray:
    """The sum over scales (H, W, classes)."""
    height, width = image.shape[:2]
    total = np.zeros((height, width, 4), np.float32)
    for scale in scales:
        long = int(width * scale + 0.5)
        large = cv2.resize(image, (long, int(height * long / width + 0.5)), interpolation=cv2.INTER_LINEAR)
        if scale <= 1:
            result = seen(large, flip)
        else:
            result, count = np.zeros((*large.shape[:2], 4), np.float32), np.zeros((*large.shape[:2], 1))
            for row in range(math.ceil((large.shape[0] - height) / height) + 1):
                for column in range(math.ceil((large.shape[1] - width) / width) + 1):
                    bottom = min((row + 1) * height, large.shape[0])
                    right = min((column + 1) * width, large.shape[1])
                    place = np.s_[bottom - height : bottom, right - width : right]
                    result[place] += seen(large[place], flip)
                    count[place] += 1
            result = (result / count).astype(np.float32)
        total += cv2.resize(result.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return total


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0), (1.75,), SCALES], ids=str)
@torch.no_grad()
def test_against_hrnet_s_steps(scales: tuple[float, ...], flip: bool) -> None:
    image = np.random.default_rng(0).normal(size=(*WINDOW, 3)).astype(np.float32)
    how = Augmented(flip, scales, WINDOW[1], WINDOW, False)
    x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    found = augmented_scores(logits, x, how)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected(image, scales, flip), rtol=2e-3, atol=2e-3)


@torch.no_grad()
def test_a_mirrored_picture_has_mirrored_scores() -> None:
    x = torch.randn(1, 3, *WINDOW, generator=torch.Generator().manual_seed(1))
    how = Augmented(True, SCALES, WINDOW[1], WINDOW, False)
    mirrored = augmented_scores(logits, x.flip(-1), how).flip(-1)
    torch.testing.assert_close(mirrored, augmented_scores(logits, x, how), rtol=1e-3, atol=1e-3)
