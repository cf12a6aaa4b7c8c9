"""Random brightness, contrast and saturation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def jitter(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) RGB -> the same with brightness, contrast and saturation each times 1 +- `strength` (0 = unchanged)."""
    if strength == 0:
        return image
    brightness, contrast, saturation = rng.uniform(max(0.0, 1 - strength), 1 + strength, size=3)
    return _saturate(_contrast(image, brightness, contrast), saturation)


def _contrast(image: NDArray[np.uint8], brightness: float, contrast: float) -> NDArray[np.uint8]:
    """About the mean, so that contrast doesn't darken or lighten."""
    pivot = brightness * float(np.mean(cv2.mean(image)[:3]))
    values = pivot + (np.arange(256) * brightness - pivot) * contrast
    return cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8))  # type: ignore[return-value]


def _saturate(image: NDArray[np.uint8], saturation: float) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)  # type: ignore[return-value]
