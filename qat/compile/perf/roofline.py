"""This CPU's peaks: multiply-accumulates in fp32 and int8, and copying memory.

Each figure is the best of many runs of the kernels at hand (torch's convolutions, channels last, of the kind that a
segmentation network spends its time in): a peak is what the machine reaches when nothing disturbs it.
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

from qat.engine import engine_in_use
from qat.program.kernels import Convolution
from qat.program.levels import to_levels
from qat.program.steps import Quant, Step, Weight

Probe = Callable[[], object]

# channels in and out, kernel, height, width: 0.7 and 1.6 GMAC each
LAYERS = ((128, 3, 90, 120), (256, 3, 45, 60), (256, 1, 90, 120), (512, 1, 45, 60))
COPIED = 64 << 20  # bytes, more than caches hold
SOURCE, TARGET = Quant(0.02, 128), Quant(0.1, 128)  # grids of what goes in and out
RUNS = 3  # of each probe in a turn


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


class Peaks:
    """The best rates seen so far on `threads` threads; UserError where torch has no int8 kernels.

    Take turns of it between other measurements: a peak needs a quiet moment, and a shared machine has few.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        with engine_in_use(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces that its quantised tensors will move
            self._probes = {
                "fp32": [(macs_of(*layer), fp32_probe(*layer)) for layer in LAYERS],
                "int8": [(macs_of(*layer), int8_probe(*layer)) for layer in LAYERS],
                "copy": [(2 * COPIED, copy_probe(COPIED))],
            }
        self._best = dict.fromkeys(self._probes, 0.0)

    def turn(self) -> None:
        """Run every probe RUNS times."""
        with torch_threads(self.threads), torch.inference_mode():
            for kind, probes in self._probes.items():
                rates = [rate_of(units, probe) for units, probe in probes for _ in range(RUNS)]
                self._best[kind] = max(self._best[kind], *rates)

    def roofline(self) -> Roofline:
        """The peaks, after at least one turn."""
        return Roofline(self.threads, self._best["fp32"], self._best["int8"], self._best["copy"])


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch on `threads` threads inside the block, on as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rate_of(units: int, probe: Probe) -> float:
    """1e9 units a second of a function that does `units` of work."""
    start = time.perf_counter()
    probe()
    return units / (time.perf_counter() - start) / 1e9


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
    if not hasattr(torch.ops.onednn, "qconv_pointwise"):  # a torch without oneDNN
        return quantised_probe(channels, kernel, height, width)
    x, weight, _ = _operands(channels, kernel, height, width)
    levels, integers = to_levels(x, SOURCE), (weight / 0.01).round().to(torch.int8)
    constants = Weight(integers.numpy(), torch.full((channels,), 0.01).numpy(), torch.zeros(channels).numpy())
    settings = {"stride": 1, "padding": kernel // 2, "dilation": 1, "groups": 1}
    step = Step("probe", "conv2d", (), tuple(x.shape), attributes=settings, weight=constants)
    convolution = Convolution(step, SOURCE, TARGET)
    return lambda: convolution(levels)


def quantised_probe(channels: int, kernel: int, height: int, width: int) -> Probe:
    """The same by torch's quantised tensors."""
    x, weight, bias = _operands(channels, kernel, height, width)
    levels = torch.quantize_per_tensor(x, SOURCE.scale, SOURCE.zero_point, torch.quint8)
    zeros = torch.zeros(channels, dtype=torch.long)
    integers = torch.quantize_per_channel(weight, torch.full((channels,), 0.01), zeros, 0, torch.qint8)
    pad = [kernel // 2, kernel // 2]
    packed = torch.ops.quantized.conv2d_prepack(integers, bias, [1, 1], pad, [1, 1], 1)
    return lambda: torch.ops.quantized.conv2d(levels, packed, TARGET.scale, TARGET.zero_point)


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
