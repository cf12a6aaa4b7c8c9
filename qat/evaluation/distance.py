"""How far a stage is from float where mIoU is lucky: changed pixels, the logits' signal-to-noise ratio, divergence."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.errors import UserError


class Distance:
    """Sums over a set, in float64, of the differences between logits and the reference's logits."""

    def __init__(self) -> None:
        self._signal = self._noise = 0.0
        self._changed = self._pixels = 0

    def update(self, logits: Tensor, reference: Tensor) -> None:
        """Add a batch's logits (N, C, h, w); UserError if the shapes differ."""
        if logits.shape != reference.shape:
            got, expected = tuple(logits.shape), tuple(reference.shape)
            raise UserError(
                f"logits are {got}, the reference's {expected}; evaluate the float stage again with this config"
            )
        self._signal += _energy(reference)
        self._noise += _energy(reference - logits)

    def update_classes(self, prediction: Tensor, reference: Tensor) -> None:
        """Add a batch's classes at label size (N, H, W); every pixel counts, void ones too."""
        self._changed += int((prediction != reference).sum())
        self._pixels += prediction.numel()

    @property
    def pixels_changed(self) -> float | None:
        """The share (0 to 1) of pixels whose class differs; None before the first update."""
        return self._changed / self._pixels if self._pixels else None

    @property
    def logit_sqnr(self) -> float | None:
        """10 log10(sum reference² / sum (reference - logits)²) in dB; infinite if equal, None before an update."""
        if not self._pixels:
            return None
        if self._noise == 0:
            return math.inf
        return 10 * math.log10(self._signal / self._noise) if self._signal else -math.inf


def divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Mean over pixels of KL(softmax(expected) || softmax(logits)); both (N, C, h, w)."""
    log_chances, expected_log_chances = (value.float().log_softmax(1) for value in (logits, expected))
    pixels = logits.numel() // logits.shape[1]
    return F.kl_div(log_chances, expected_log_chances, reduction="sum", log_target=True) / pixels


def _energy(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64)) ** 2
