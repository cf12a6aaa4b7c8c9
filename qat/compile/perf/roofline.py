"""What this CPU can do at most: multiply-accumulates in fp32 and int8, and copying memory.

Each figure is the best of many runs of the kernels at hand (torch's convolutions, channels last): a peak is what the
machine reaches when nothing disturbs it. The layers are of the kind that a segmentation network spends its time in.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qat.backends.engine import activate

Probe = Callable[[], object]

# channels in and out, kernel, height, width: 0.7 and 1.6 GMAC each
LAYERS = ((128, 3, 90, 120), (256, 3, 45, 60), (256, 1, 90, 120), (512, 1, 45, 60))
COPIED = 64 << 20  # bytes: more than the last-level cache of one socket's share


@dataclass(frozen=True)
class Roofline:
    """Peaks on `threads` threads: GMAC/s in each precision, GB/s read and written by a copy."""

    threads: int
    fp32_gmacs: float
    int8_gmacs: float
    copy_gb_per_s: float

    def peak(self, precision: str) -> float:
        """GMAC/s for int8; every other precision is computed in fp32."""
        return self.int8_gmacs if precision == "int8" else self.fp32_gmacs

    def milliseconds(self, macs: int, precision: str) -> float:
        """The time that `macs` multiply-accumulates take at the peak.

        >>> Roofline(2, 100.0, 400.0, 20.0).milliseconds(4_000_000_000, "int8")
        10.0
        """
        return macs / self.peak(precision) / 1e6


def measure_roofline(threads: int, rounds: int = 20) -> Roofline:
    """Measure on `threads` threads; UserError where torch has no int8 kernels."""
    activate()
    with torch_threads(threads), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that its quantised tensors will move
        fp32 = best_rate([(macs_of(*layer), fp32_probe(*layer)) for layer in LAYERS], rounds)
        int8 = best_rate([(macs_of(*layer), int8_probe(*layer)) for layer in LAYERS], rounds)
        copy = best_rate([(2 * COPIED, copy_probe())], rounds)
    return Roofline(threads, fp32, int8, copy)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch on `threads` threads inside the block, on as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best_rate(probes: list[tuple[int, Probe]], rounds: int) -> float:
    """The highest rate, 1e9 units a second, of (units of work, function) pairs that are run in turn."""
    best = 0.0
    for _ in range(rounds + 1):  # the first round warms up; it can't be the best
        for units, probe in probes:
            start = time.perf_counter()
            probe()
            best = max(best, units / (time.perf_counter() - start) / 1e9)
    return best


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


def copy_probe() -> Probe:
    """One copy of COPIED bytes, which are read and written."""
    source, target = torch.ones(COPIED, dtype=torch.uint8), torch.zeros(COPIED, dtype=torch.uint8)
    return lambda: target.copy_(source)


def _operands(channels: int, kernel: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(0)
    x = torch.randn(1, channels, height, width, generator=noise)
    weight = 0.1 * torch.randn(channels, channels, kernel, kernel, generator=noise)
    last = torch.channels_last
    return x.contiguous(memory_format=last), weight.contiguous(memory_format=last), torch.zeros(channels)
