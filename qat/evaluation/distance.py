"""The distance from float, which a score's luck hides: changed classes, signal-to-noise ratio, divergence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.errors import UserError
from qat.evaluation.ordered_sum import OrderedSum
from qat.evaluation.outputs import Outputs, several


@dataclass
class Changes:
    """How many of `total` classes `changed`."""

    changed: float = 0
    total: float = 0

    def update(self, classes: Tensor, expected: Tensor) -> None:
        """Add two tensors of one shape; every place counts."""
        self.changed += int((classes != expected).count_nonzero())
        self.total += classes.numel()

    def merge(self, other: Changes) -> None:
        """Add the counts of another part of the set."""
        self.changed += other.changed
        self.total += other.total

    @property
    def share(self) -> float | None:
        """The share (0 to 1) that changed; None before the first update."""
        return self.changed / self.total if self.total else None

    @property
    def same(self) -> float | None:
        """The share (0 to 1) that didn't; None before the first update."""
        return (self.total - self.changed) / self.total if self.total else None


class Distance:
    """Sums over a set, in float64, of the differences between a network's outputs and the reference's.

    Each batch's terms are kept, 16 bytes, and added up in the batches' order, however many processes took them.
    """

    def __init__(self) -> None:
        self._signal, self._noise = OrderedSum(), OrderedSum()

    def update(
        self,
        outputs: Outputs,
        reference: Outputs,
        size: Sequence[int] | None = None,
        canvas: Sequence[int] | None = None,
    ) -> None:
        """Add a batch's outputs (N, ...), one tensor or several; UserError if the shapes differ.

        `canvas`: height and width that maps (N, C, h, w) span, where the picture, of `size`, is padded: its own part
        counts.
        """
        for one, expected in zip(several(outputs), several(reference), strict=True):
            self._add(one, expected, size, canvas)

    def merge(self, other: Distance) -> None:
        """Add the batches of another part of the set, which come after these."""
        self._signal.merge(other._signal)
        self._noise.merge(other._noise)

    def _add(self, logits: Tensor, reference: Tensor, size: Sequence[int] | None, canvas: Sequence[int] | None) -> None:
        if logits.shape != reference.shape:
            shape, expected = tuple(logits.shape), tuple(reference.shape)
            raise UserError(
                f"logits are {shape}, the reference's {expected}; evaluate the float stage again with this config"
            )
        if size and canvas and logits.ndim == 4:
            logits, reference = (own_part(values, size, canvas) for values in (logits, reference))
        self._signal.add(_energy(reference))
        self._noise.add(_energy(reference - logits))

    @property
    def logit_sqnr(self) -> float | None:
        """10 log10(sum reference² / sum (reference - logits)²) in dB; infinite if equal, None before an update."""
        if not self._signal.terms:
            return None
        signal, noise = self._signal.value, self._noise.value
        if noise == 0:
            return math.inf
        return 10 * math.log10(signal / noise) if signal else -math.inf


def own_part(logits: Tensor, size: Sequence[int], canvas: Sequence[int]) -> Tensor:
    """Those of the logits (N, C, h, w) that lie in a picture of `size`, at the top left of what they span, `canvas`.

    >>> own_part(torch.zeros(1, 2, 8, 9), (50, 72), (64, 72)).shape
    torch.Size([1, 2, 7, 9])
    """
    rows, columns = (-(-cells * own // whole) for cells, own, whole in zip(logits.shape[2:], size, canvas, strict=True))
    return logits[:, :, :rows, :columns]


def divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Mean over pixels of KL(softmax(expected) || softmax(logits)); both (N, C, h, w)."""
    log_chances, expected_log_chances = (value.float().log_softmax(1) for value in (logits, expected))
    pixels = logits.numel() // logits.shape[1]
    return F.kl_div(log_chances, expected_log_chances, reduction="sum", log_target=True) / pixels


def _energy(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64)) ** 2
