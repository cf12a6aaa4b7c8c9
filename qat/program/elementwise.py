"""Sums, products and functions of levels, value by value."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.program.levels import FULL, LARGEST, aligned, centred, dense, flat, rounded, within
from qat.program.steps import Quant, Step

TIE = 1e-4  # of a level


class Sum:
    """Two tensors of levels added in one pass: a level of the sum is a weighted sum of the levels, and a constant.

    Sums in float32: a tie between two levels may fall to the other side than in the reference.
    """

    def __init__(self, step: Step, first: Quant, second: Quant) -> None:
        assert step.quant is not None
        self.target, self.relu = step.quant, step.relu
        target = self.target
        self.weights = first.scale / target.scale, float(step.attributes.get("alpha", 1)) * second.scale / target.scale
        self.shift = target.zero_point - self.weights[0] * first.zero_point - self.weights[1] * second.zero_point

    @property
    def fits(self) -> bool:
        """Whether the largest sum is a number of levels that OpenCV can round, and few sums are ties."""
        return FULL * sum(map(abs, self.weights)) + abs(self.shift) < LARGEST and not self.has_ties

    @property
    def has_ties(self) -> bool:
        """Whether many sums lie between two levels, as those of two tensors whose range the sum just doubles."""
        whole = all(abs(weight - round(weight)) < TIE for weight in self.weights)
        return not whole and all(abs(4 * weight - round(4 * weight)) < TIE for weight in self.weights)

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """uint8 and uint8 of one shape -> uint8."""
        first, second = aligned(*inputs)
        result = torch.empty_like(first)
        one, other, out = (flat(tensor).numpy() for tensor in (first, second, result))
        cv2.addWeighted(one, self.weights[0], other, self.weights[1], self.shift, dst=out)
        return within(result, self.target, self.relu)


class Product:
    """Two tensors of levels multiplied, one broadcast to the other: centred levels in float32 are exact integers."""

    def __init__(self, step: Step, first: Quant, second: Quant) -> None:
        assert step.quant is not None
        self.target, self.relu = step.quant, step.relu
        self.zeros = first.zero_point, second.zero_point
        self.gain = first.scale * second.scale / step.quant.scale

    @property
    def fits(self) -> bool:
        """Whether the largest product is a number of levels that OpenCV can round."""
        return self.gain * FULL**2 < LARGEST

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """uint8 and uint8 -> uint8."""
        pair = aligned(*inputs) if inputs[0].shape == inputs[1].shape else inputs
        product = _product(*(centred(levels, zero) for levels, zero in zip(pair, self.zeros, strict=True)))
        return within(rounded(product, self.gain, self.target.zero_point), self.target, self.relu)


def _product(first: Tensor, second: Tensor) -> Tensor:
    """The product of two tensors that are overwritten."""
    larger, smaller = (first, second) if first.numel() >= second.numel() else (second, first)
    sides = zip(reversed(larger.shape), reversed(smaller.shape), strict=False)  # torch.broadcast_shapes takes longer
    is_whole = larger.ndim >= smaller.ndim and all(side in (1, whole) for whole, side in sides)
    return larger.mul_(smaller) if is_whole else larger * smaller


def look_up(levels: Tensor, table: NDArray[np.uint8]) -> Tensor:
    """Each level's entry in a table of 256."""
    source = dense(levels)
    result = torch.empty_like(source)
    cv2.LUT(flat(source).numpy(), table, dst=flat(result).numpy())
    return result
