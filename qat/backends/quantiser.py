"""The fake-quantise module that FX inserts after each activation."""

from __future__ import annotations

import torch
from torch import Tensor

from qat.ao import FakeQuantizeBase
from qat.backends.spec import QuantSpec
from qat.errors import UserError
from qat.invocation import command
from qat.observers.grid import round_to_grid
from qat.observers.observer import ActivationObserver

WIDE = 256  # levels of int16 for each of int8's


class ActivationQuantiser(FakeQuantizeBase):
    """Observes during calibration, then rounds to the int8 grid: quint8, per tensor.

    `fixed`: scale and zero point known beforehand (sigmoid). `bits`: 8; 16 where mixed precision keeps the tensor in
    int16 (256 levels for each of int8's, over the whole range seen), 32 where it keeps it in float. torch.ao reads
    `dtype`, `qscheme`, `quant_min`, `quant_max` and `calculate_qparams`.
    """

    dtype = torch.quint8
    is_dynamic = False
    scale: Tensor
    zero_point: Tensor
    settled: Tensor
    bits: Tensor

    def __init__(self, spec: QuantSpec, fixed: tuple[float, int] | None = None) -> None:
        super().__init__()
        grid = spec.grid
        self.quant_min, self.quant_max = grid.low, grid.high
        self.qscheme = torch.per_tensor_symmetric if grid.symmetric else torch.per_tensor_affine
        self.fixed = fixed
        self.activation_post_process = ActivationObserver(  # torch.ao's name
            spec.observer, grid, spec.percentile, spec.averaging_constant
        )
        scale, zero_point = fixed or grid.qparams(0.0, 0.0)
        self.register_buffer("scale", torch.tensor([scale], dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor([zero_point], dtype=torch.int32))
        self.register_buffer("settled", torch.tensor(False))
        self.register_buffer("bits", torch.tensor(8))
        self.observing(True)

    @property
    def observer(self) -> ActivationObserver:
        """The observer of the values that passed."""
        return self.activation_post_process

    @property
    def observes(self) -> bool:
        """Whether the grid comes from the values that pass."""
        return self.fixed is None

    def observing(self, on: bool) -> None:
        """Whether it observes and passes on; otherwise it rounds to the grid."""
        self.observer_enabled[0] = int(on)
        self.fake_quant_enabled[0] = int(not on)
        self._observing = on  # read each forward; a tensor's truth value would be slower

    def freeze(self) -> None:
        """Take scale and zero point from what was seen, unless they are settled already; UserError if nothing was."""
        if self.fixed is None and not self.settled:
            if self.observer.batches == 0:
                raise UserError(
                    f"activation {self.observer.name} was never seen, so it has no scale; "
                    f"run {command('calib')}, or `qat.calibrate` with pictures, first"
                )
            scale, zero_point = self.observer.grid.qparams(*self.observer.range())
            self.scale.fill_(scale)
            self.zero_point.fill_(zero_point)
        self.settled.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Observe `x`, or round it."""
        if self._observing:
            self.observer.observe(x)
            return x
        if self.bits != 8:
            return self._wide(x)
        return round_to_grid(x, self.scale[0], self.zero_point[0], self.quant_min, self.quant_max)

    def keep_bits(self, bits: int) -> None:
        """Give the tensor 16 bits over everything seen, or float (32)."""
        self.bits.fill_(bits)
        if self.fixed is None and bits == 16:
            scale, zero_point = self.observer.grid.qparams(*self.observer.extremes.tolist())
            self.scale.fill_(scale)
            self.zero_point.fill_(zero_point)

    @property
    def wide_range(self) -> tuple[float, float]:
        """The smallest and the largest real value of the grid of 16 bits."""
        scale, zero, top = float(self.scale) / WIDE, WIDE * int(self.zero_point), WIDE * (self.quant_max + 1) - 1
        return -zero * scale, (top - zero) * scale

    def _wide(self, x: Tensor) -> Tensor:
        if self.bits == 32:
            return x
        top = WIDE * (self.quant_max + 1) - 1
        return round_to_grid(x, self.scale[0] / WIDE, WIDE * self.zero_point[0], 0, top)

    def calculate_qparams(self, **_: object) -> tuple[Tensor, Tensor]:
        """Scale (1,) float32 and zero point (1,) int32, for torch.ao's convert."""
        return self.scale, self.zero_point


class OnGrid(ActivationQuantiser):
    """After adding or multiplying a constant: int8 kernels only move the grid there, so nothing is rounded again."""

    @property
    def observes(self) -> bool:
        """The grid is moved, not chosen."""
        return False

    def observing(self, on: bool) -> None:
        """Nothing to observe."""

    def freeze(self) -> None:
        """Nothing to freeze."""

    def forward(self, x: Tensor) -> Tensor:
        """Pass `x` through."""
        return x
