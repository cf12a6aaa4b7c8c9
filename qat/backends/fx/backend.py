"""torch.ao's FX graph mode as a `Backend`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.backends import scales
from qat.backends.fx import graph
from qat.backends.protocol import BoardCompiler, LayerSimilarity, Prepared, TakesOver
from qat.backends.spec import QuantSpec
from qat.errors import UserError
from qat.graph import Rewritten


class FxBackend:
    """Real int8 kernels on this CPU; see `Backend` for what each function does."""

    name = "fx"
    inspects = False
    takes_over: TakesOver | None = None
    board: BoardCompiler | None = None

    def inspect(self, rewritten: Rewritten, prepared: Prepared, example: Tensor, folder: Path) -> list[str]:
        """No lines: torch.ao has no tools for it."""
        return []

    def compare(
        self, rewritten: Rewritten, prepared: Prepared, example: Tensor, folder: Path
    ) -> tuple[list[str], list[LayerSimilarity]]:
        """Nothing either."""
        return [], []

    def prepare(self, rewritten: Rewritten, spec: QuantSpec) -> fx.GraphModule:
        """`qat.backends.fx.prepare`."""
        return graph.prepare(rewritten, spec)

    def observe(self, prepared: Prepared) -> None:
        """`qat.backends.fx.observe`."""
        graph.observe(as_graph(prepared))

    def fake_quantized(self, prepared: Prepared) -> fx.GraphModule:
        """`qat.backends.fx.fake_quantized`."""
        return graph.fake_quantized(as_graph(prepared))

    def convert(self, prepared: Prepared) -> fx.GraphModule:
        """`qat.backends.fx.convert`."""
        return graph.convert(as_graph(prepared))

    def to_torchscript(self, model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
        """`qat.backends.fx.to_torchscript`."""
        return graph.to_torchscript(model, example)

    def dead_observers(self, prepared: Prepared) -> list[tuple[str, str]]:
        """`qat.backends.scales.dead_observers`."""
        return scales.dead_observers(as_graph(prepared))

    def qparams(self, prepared: Prepared) -> dict[str, dict[str, Any]]:
        """`qat.backends.scales.qparams`."""
        return scales.qparams(as_graph(prepared))


def as_graph(prepared: Prepared) -> fx.GraphModule:
    """`prepared` as backend fx made it, whose nodes one can look at; UserError for another backend's."""
    if isinstance(prepared, fx.GraphModule) and scales.is_prepared(prepared):
        return prepared
    raise UserError("this needs a network that backend fx has prepared; set QUANT.BACKEND fx")
