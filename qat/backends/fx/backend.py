"""torch.ao's FX graph mode as a `Backend`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.backends import calibration
from qat.backends import fx as functions
from qat.backends.spec import QuantSpec
from qat.graph import Rewritten


class FxBackend:
    """Real int8 kernels on this CPU; see `Backend` for what each function does."""

    name = "fx"
    inspects = False

    def inspect(self, prepared: fx.GraphModule, example: Tensor, folder: Path) -> list[str]:
        """Nothing."""
        return []

    def prepare(self, rewritten: Rewritten, spec: QuantSpec) -> fx.GraphModule:
        """`qat.backends.fx.prepare`."""
        return functions.prepare(rewritten, spec)

    def observe(self, prepared: fx.GraphModule) -> None:
        """`qat.backends.fx.observe`."""
        functions.observe(prepared)

    def fake_quantized(self, prepared: fx.GraphModule) -> fx.GraphModule:
        """`qat.backends.fx.fake_quantized`."""
        return functions.fake_quantized(prepared)

    def convert(self, prepared: fx.GraphModule) -> fx.GraphModule:
        """`qat.backends.fx.convert`."""
        return functions.convert(prepared)

    def to_torchscript(self, model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
        """`qat.backends.fx.to_torchscript`."""
        return functions.to_torchscript(model, example)

    def dead_observers(self, prepared: fx.GraphModule) -> list[tuple[str, str]]:
        """`qat.backends.calibration.dead_observers`."""
        return calibration.dead_observers(prepared)

    def qparams(self, prepared: fx.GraphModule) -> dict[str, dict[str, Any]]:
        """`qat.backends.calibration.qparams`."""
        return calibration.qparams(prepared)
