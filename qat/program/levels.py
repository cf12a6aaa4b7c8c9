"""Levels (uint8) and the real numbers that they stand for, in a few passes over memory."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

from qat.program.steps import Quant

FULL = 255  # the highest level of all 256
LARGEST = 2.0**30  # levels: OpenCV rounds into 32 bits


def to_levels(x: Tensor, quant: Quant) -> Tensor:
    """Float32 to the nearest levels (uint8), ties to even."""
    levels = x.clamp(*quant.range).mul_(1.0 / quant.scale).round_()  # the zero point, added first, would make ties
    return _stored(levels, 1.0, quant.zero_point)


def to_real(levels: Tensor, quant: Quant) -> Tensor:
    """Levels to the float32 numbers that they stand for."""
    return centred(levels, quant.zero_point).mul_(quant.scale)


def centred(levels: Tensor, zero: int) -> Tensor:
    """How far uint8 levels lie from `zero`, float32."""
    result = levels.float()
    return result.sub_(zero) if zero else result


def rounded(x: Tensor, gain: float, zero: int) -> Tensor:
    """Float32 `x` * `gain` + `zero` to the nearest of 0 .. 255, uint8, ties to even; at most LARGEST levels away.

    `x` is overwritten.
    """
    return _stored(x.clamp_min_(-zero / gain), gain, zero)


def _stored(x: Tensor, gain: float, zero: int) -> Tensor:
    """`rounded` of what isn't below level 0, where OpenCV's one pass over float32 would give the absolute value."""
    source = dense(x)
    result = torch.empty_like(source, dtype=torch.uint8)
    if source.numel():
        cv2.convertScaleAbs(flat(source).numpy(), flat(result).numpy(), gain, float(zero))
    return result


def within(levels: Tensor, quant: Quant, relu: bool = False) -> Tensor:
    """Levels of 0 .. 255, in place: at most `quant`'s highest, with `relu` at least its zero point."""
    if quant.high < FULL:
        levels.clamp_max_(quant.high)
    return levels.clamp_min_(quant.zero_point) if relu else levels


def aligned(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Two tensors of one shape, their values one behind the other in memory and in the same order."""
    if first.stride() == second.stride() and is_dense(first):
        return first, second
    form = torch.channels_last if first.ndim == 4 else torch.contiguous_format
    return first.contiguous(memory_format=form), second.contiguous(memory_format=form)


def is_dense(tensor: Tensor) -> bool:
    """Whether the tensor's values lie one behind the other in memory, in the order of any axes."""
    return tensor.is_contiguous() or (tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def dense(tensor: Tensor) -> Tensor:
    """The tensor, copied where its values don't lie one behind the other."""
    return tensor if is_dense(tensor) else tensor.contiguous()


def flat(tensor: Tensor) -> Tensor:
    """A dense tensor's values as (n, 1), as they lie in memory."""
    return tensor.as_strided((tensor.numel(), 1), (1, 1))
