"""A graph run node by node over all pictures: every layer's input is there when it is needed, and only until then."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx


class Walk:
    """Runs `graph` on each of `batches` (N, C, H, W), one node at a time; a value goes after its last reader."""

    def __init__(self, graph: fx.GraphModule, batches: list[Tensor]) -> None:
        self._interpreter = fx.Interpreter(graph)
        self._nodes = list(graph.graph.nodes)
        self._next = 0
        self._batches = batches
        self._values: list[dict[fx.Node, Any]] = [{} for _ in batches]

    def inputs_of(self, name: str) -> list[Tensor]:
        """Run what comes before the node `name` and give its input in each batch; the node itself runs next time."""
        while self._nodes[self._next].name != name:
            self.run_next()
        source = self._nodes[self._next].all_input_nodes[0]
        return [values[source] for values in self._values]

    @torch.no_grad()
    def run_next(self) -> bool:
        """Run the next node on every batch; False after the last one."""
        node = self._nodes[self._next]
        for values, batch in zip(self._values, self._batches, strict=True):
            self._interpreter.env = values
            values[node] = batch if node.op == "placeholder" else self._interpreter.run_node(node)
            for dead in self._interpreter.user_to_last_uses.get(node, ()):
                del values[dead]
        self._next += 1
        return self._next < len(self._nodes)

    def bytes(self) -> int:
        """Of all values that are kept now."""
        tensors = {id(v): v for values in self._values for v in values.values() if isinstance(v, Tensor)}
        return sum(tensor.nbytes for tensor in tensors.values())


def most_bytes(graph: fx.GraphModule, batch: Tensor) -> int:
    """The most bytes that a walk keeps for one batch, its picture included."""
    walk, most = Walk(graph, [batch]), 0
    while walk.run_next():
        most = max(most, walk.bytes())
    return most + batch.nbytes
