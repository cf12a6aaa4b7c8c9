"""What compilation starts from: the calibrated network at the size of the artefacts, in all its forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, fx, nn

from qat.backends import fx as fx_backend
from qat.program.lower import program_of
from qat.program.steps import Program


@dataclass(frozen=True)
class CalibratedNetwork:
    """The forms of the calibrated graph `prepared`, for pictures like `example` (1, 3, H, W)."""

    prepared: fx.GraphModule
    example: Tensor

    @cached_property
    def calib(self) -> fx.GraphModule:
        """Stage calib: int8 levels in float."""
        return fx_backend.fake_quantized(self.prepared).eval()

    @cached_property
    def converted(self) -> fx.GraphModule:
        """The int8 kernels, not traced."""
        return fx_backend.convert(self.prepared)

    @cached_property
    def int_infer(self) -> torch.jit.ScriptModule:
        """Stage int_infer."""
        return fx_backend.to_torchscript(self.converted, self.example)

    @cached_property
    def program(self) -> Program:
        """The int8 network as steps."""
        return program_of(self.prepared, self.example)


@dataclass(frozen=True)
class Network(CalibratedNetwork):
    """The float network beside it. `plain`: rewritten only, with float's own weights; `floating`: as it came."""

    plain: fx.GraphModule
    floating: nn.Module

    @cached_property
    def float_program(self) -> Program:
        """The rewritten float network as steps."""
        return program_of(self.plain, self.example, quantised=False)
