"""How far one network's classes are from another's, pixel by pixel, as a divergence of their probabilities."""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor


def divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Mean over pixels of KL(softmax(expected) || softmax(logits)); both (N, C, h, w)."""
    ours, theirs = (value.float().log_softmax(1) for value in (logits, expected))
    pixels = ours.numel() // ours.shape[1]
    return cast(Tensor, F.kl_div(ours, theirs, reduction="sum", log_target=True) / pixels)
