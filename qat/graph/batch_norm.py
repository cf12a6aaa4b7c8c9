"""What a batch normalisation in eval mode does to a channel: x -> gain * x + shift."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def affine_of(norm: nn.BatchNorm2d, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Gain and shift per channel (channels,); `norm` keeps statistics.

    >>> gain, shift = affine_of(nn.BatchNorm2d(2, eps=0.0))
    >>> gain.tolist(), shift.tolist()
    ([1.0, 1.0], [0.0, 0.0])
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = torch.rsqrt(norm.running_var.to(dtype) + norm.eps)
    if norm.weight is not None:
        gain = gain * norm.weight.detach().to(dtype)
    bias = torch.zeros_like(gain) if norm.bias is None else norm.bias.detach().to(dtype)
    return gain, bias - norm.running_mean.to(dtype) * gain
