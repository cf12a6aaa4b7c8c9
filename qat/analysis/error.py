"""How far one tensor is from another, summed over images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

Summary = dict[str, float | None]


def energy(values: Tensor) -> float:
    """The sum of squares."""
    return float(torch.linalg.vector_norm(values)) ** 2


def largest(values: Tensor) -> float:
    """The largest absolute value; where channels lie last in memory, in that order, which needs no copy."""
    low, high = torch.aminmax(values.permute(0, 2, 3, 1) if values.dim() == 4 else values)
    return max(-float(low), float(high))


def decibels(ratio: float) -> float:
    """10 log10 of a ratio above 0.

    >>> decibels(100.0)
    20.0
    """
    return 10 * math.log10(ratio)


@dataclass
class Error:
    """Sums of squares of the reference, of the other and of their difference; the largest difference."""

    signal: float = 0.0
    other: float = 0.0
    noise: float = 0.0
    largest: float = 0.0

    def add(self, reference: Tensor, other: Tensor) -> None:
        """Take in a pair of one shape."""
        difference = other - reference
        self.signal += energy(reference)
        self.other += energy(other)
        self.noise += energy(difference)
        self.largest = max(self.largest, largest(difference))

    def summary(self, scale: float | None) -> Summary:
        """SQNR in dB, relative L2, cosine, largest error in units of `scale`; None for what can't be said.

        SQNR is None where both are equal (then relative_l2 is 0) or the reference is 0 throughout.
        """
        measurable = self.signal > 0
        return {
            "sqnr_db": decibels(self.signal / self.noise) if measurable and self.noise > 0 else None,
            "relative_l2": math.sqrt(self.noise / self.signal) if measurable else None,
            "cosine": self._cosine() if measurable and self.other > 0 else None,
            "max_steps": self.largest / scale if scale else None,
        }

    def _cosine(self) -> float:
        """From the three sums: 2ab = a² + b² - (a - b)². Exact to second order in the sums' own errors."""
        return (self.signal + self.other - self.noise) / (2 * math.sqrt(self.signal * self.other))
