"""A classifier's logits to the likeliest classes, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TOP = 5  # classes of a picture that are looked at


def top_classes(logits: NDArray[Any], most: int = TOP) -> NDArray[np.float64]:
    """The likeliest classes of a batch.

    Args:
        logits: (N, classes), or (N, classes, 1, 1).
        most: how many of each picture.

    Returns:
        (N, most, 2): class and chance (0 to 1), the likeliest first; of equals the first class first.

    Example:
        >>> top_classes(np.array([[0.0, 2.0, 0.0]]))[0, :, 0].tolist()
        [1.0, 0.0, 2.0]
    """
    flat = np.asarray(logits).reshape(len(logits), -1)
    kinds = np.argsort(-flat.astype(np.float32), axis=1, kind="stable")[:, :most]
    shares = np.exp(flat.astype(np.float64) - flat.max(1, keepdims=True))
    chances = shares / shares.sum(1, keepdims=True)
    return np.stack([kinds.astype(np.float64), np.take_along_axis(chances, kinds, 1)], 2)
