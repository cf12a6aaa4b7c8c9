"""A calibrated graph in its forms: stage calib, the steps, torch.ao's kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, fx

from qat.backends import fx as fx_backend
from qat.program.lower import program_of
from qat.program.run import ProgramNetwork
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
        """torch.ao's int8 kernels."""
        return fx_backend.convert(self.prepared)

    @cached_property
    def program(self) -> Program:
        """The int8 network as steps."""
        return program_of(self.prepared, self.example)

    @cached_property
    def runs(self) -> ProgramNetwork:
        """The program as a network."""
        return ProgramNetwork(self.program)
