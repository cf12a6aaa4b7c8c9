"""How far two networks are apart, and mIoU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

EQUAL = 400.0  # dB that stand for equal values: JSON has no infinity


class Distance:
    """The signal-to-noise ratio of logits over many pictures, in dB, and the share of pixels whose class differs.

    >>> distance = Distance()
    >>> distance.update(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.1]))
    >>> round(distance.decibels)
    23
    """

    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.pixels = self.changed = 0

    def update(self, reference: Tensor, other: Tensor) -> None:
        """Add the logits of more pictures."""
        self.signal += float(reference.double().square().sum())
        self.noise += float((reference.double() - other.double()).square().sum())

    def update_classes(self, reference: Tensor, other: Tensor) -> None:
        """Add their classes."""
        self.pixels += reference.numel()
        self.changed += int((reference != other).sum())

    @property
    def decibels(self) -> float:
        """EQUAL where nothing differs."""
        if not self.noise:
            return EQUAL
        return float(10 * torch.log10(torch.tensor(self.signal / self.noise, dtype=torch.float64)))

    def record(self) -> dict[str, Any]:
        """For results.json."""
        return {"signal": self.signal, "noise": self.noise, "pixels": self.pixels, "changed": self.changed}


def compared(reference: Tensor, other: Tensor) -> Distance:
    """The distance of logits (N, classes, h, w), classes at their own size."""
    distance = Distance()
    distance.update(reference, other)
    distance.update_classes(reference.argmax(1), other.argmax(1))
    return distance


def classes_at(logits: Tensor, canvas: Any, size: Any, align_corners: bool) -> Tensor:
    """Classes (N, *size): logits (N, classes, h, w) are spread over `canvas`, whose top left is the picture."""
    spread = functional.interpolate(logits, tuple(canvas), mode="bilinear", align_corners=align_corners)
    return spread[..., : size[0], : size[1]].argmax(1)


def confusion(classes: Tensor, label: Tensor, count: int, ignored: int = 255) -> Tensor:
    """Counts (count, count) of pixels, rows are labels; `label` has 0 to count - 1, or `ignored`."""
    known = label != ignored
    pairs = label[known].to(torch.int64) * count + classes[known]
    return torch.bincount(pairs, minlength=count * count).reshape(count, count)
