"""The transform of calibration and evaluation: pixels as they are; `normalise` follows, on the batch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


class InferenceTransform:
    """Image and label become tensors, unchanged and without a copy."""

    def __call__(
        self, image: NDArray[np.uint8], label: NDArray[np.uint8] | None, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """`image`: uint8 (H, W, 3) RGB. `label`: uint8 (H, W) train ids, left out where there is none."""
        sample = {"image": torch.from_numpy(image)}
        return sample if label is None else {**sample, "label": torch.from_numpy(label)}
