"""Work that finds this CPU's peak: convolutions of the kind that a segmentation network spends its time in, a copy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Probe = Callable[[], object]

# channels in and out, kernel, height, width: 0.7 and 1.6 GMAC each
LAYERS = ((128, 3, 90, 120), (256, 3, 45, 60), (256, 1, 90, 120), (512, 1, 45, 60))
COPIED = 64 << 20  # bytes, more than caches hold


def macs_of(channels: int, kernel: int, height: int, width: int) -> int:
    """Multiply-accumulates of a convolution that keeps channels and size.

    >>> macs_of(128, 3, 90, 120)
    1592524800
    """
    return channels * channels * kernel * kernel * height * width


def fp32_probe(channels: int, kernel: int, height: int, width: int) -> Probe:
    """One float convolution."""
    x, weight, bias = _operands(channels, kernel, height, width)
    return lambda: functional.conv2d(x, weight, bias, padding=kernel // 2)


def int8_probe(channels: int, kernel: int, height: int, width: int) -> Probe:
    """One int8 convolution: uint8 activations, int8 weights per channel, int8 out."""
    x, weight, bias = _operands(channels, kernel, height, width)
    levels = torch.quantize_per_tensor(x, 0.02, 128, torch.quint8)
    zeros = torch.zeros(channels, dtype=torch.long)
    integers = torch.quantize_per_channel(weight, torch.full((channels,), 0.01), zeros, 0, torch.qint8)
    pad = [kernel // 2, kernel // 2]
    packed = torch.ops.quantized.conv2d_prepack(integers, bias, [1, 1], pad, [1, 1], 1)
    return lambda: torch.ops.quantized.conv2d(levels, packed, 0.1, 128)


def copy_probe(size: int) -> Probe:
    """One copy of `size` bytes, which are read and written."""
    source, target = torch.ones(size, dtype=torch.uint8), torch.zeros(size, dtype=torch.uint8)
    return lambda: target.copy_(source)


def _operands(channels: int, kernel: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(0)
    x = torch.randn(1, channels, height, width, generator=noise)
    weight = 0.1 * torch.randn(channels, channels, kernel, kernel, generator=noise)
    last = torch.channels_last
    return x.contiguous(memory_format=last), weight.contiguous(memory_format=last), torch.zeros(channels)
