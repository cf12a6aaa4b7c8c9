"""What is the same for every picture: the model's own tensors, and what the graph computes from them."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from qat.backends.node_facts import is_quantiser
from qat.graph.nodes import value_of
from qat.graph.shapes import is_size
from qat.program.operands import Source


class Constants:
    """The tensors of a graph that are the same for every picture: the model's own, and what is computed from them."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.run = fx.Interpreter(graph, garbage_collect_values=False)

    def learn(self, node: fx.Node) -> bool:
        """Note `node`'s value, if no picture decides it; returns whether that is so."""
        if node.op in ("placeholder", "output") or is_quantiser(node):
            return False
        if all(source in self.run.env or is_size(source) for source in node.all_input_nodes):
            for source in node.all_input_nodes:
                self.run.env.setdefault(source, value_of(source))
            with torch.no_grad():
                self.run.env[node] = self.run.run_node(node)
        return node in self.run.env

    def of(self, source: Source) -> Tensor | None:
        """The tensor that `source` always gives; None where a picture decides it."""
        value = self.run.env.get(source) if isinstance(source, fx.Node) else source
        return value if isinstance(value, Tensor) else None
