"""A model as traps look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node

from qat.graph.nodes import op_name, value_of

NEWEST_OPSET = 17  # that is assumed where none is given


@dataclass(frozen=True)
class NetworkView:
    """A model: its modules, its graph (None where tracing fails, then why), and the operator set that it is written in.

    `newest`: the newest operator set that its consumer reads; None: any.
    """

    module: nn.Module
    graph: GraphModule | None
    error: str = ""
    opset: int = NEWEST_OPSET
    newest: int | None = None

    def nodes(self, *ops: str) -> Iterator[Node]:
        """The graph's nodes, of these operations if any are named."""
        for node in self.graph.graph.nodes if self.graph is not None else ():
            if not ops or op_name(node) in ops:
                yield node


def rank_of(value: Any) -> int | None:
    """The number of axes of what a node gives; None for what is no tensor of floats."""
    given = value_of(value)
    return given.dim() if isinstance(given, torch.Tensor) and given.is_floating_point() else None


def holds_node(value: Any) -> bool:
    """Whether an argument, or a part of it, is computed by the graph."""
    return any(map(holds_node, value)) if isinstance(value, tuple | list) else isinstance(value, Node)
