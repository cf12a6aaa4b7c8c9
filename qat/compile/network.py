"""What compilation starts from: the calibrated network at the size of the artefacts, and float beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import fx, nn

from qat.program.calibrated import CalibratedNetwork
from qat.program.lower import program_of
from qat.program.steps import Program


@dataclass(frozen=True)
class Network(CalibratedNetwork):
    """The float network beside it. `plain`: rewritten only, with float's own weights; `floating`: as it came."""

    plain: fx.GraphModule
    floating: nn.Module

    @cached_property
    def float_program(self) -> Program:
        """The rewritten float network as steps."""
        return program_of(self.plain, self.example, quantised=False)
