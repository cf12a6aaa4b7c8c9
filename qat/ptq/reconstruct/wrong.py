"""Which tensor went wrong first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx


def first_wrong(model: fx.GraphModule, x: Tensor) -> str:
    """The first parameter, else the first of the graph's tensors on `x`, that holds NaN or infinity; else the loss."""
    for name, value in model.named_parameters():
        if not value.isfinite().all():
            return name.replace("parametrizations.weight.original", "weight")
    found = _Finder(model)
    with torch.no_grad():
        found.run(x)
    return found.first or "the loss"


class _Finder(fx.Interpreter):
    """Runs a graph and remembers the first node whose tensor isn't finite."""

    first = ""

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if not self.first and isinstance(value, Tensor) and not value.isfinite().all():
            self.first = n.name
        return value
