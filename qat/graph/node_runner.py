"""A pass over a graph, node by node; each value is freed after its last reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx


class NodeRunner(fx.Interpreter):
    """One pass on one input, (N, 3, H, W). `env`: the values that are still to be read, by node."""

    def __init__(self, graph: fx.GraphModule, x: Tensor) -> None:
        super().__init__(graph)
        self.env: dict[fx.Node, Any] = {}
        self.x = x

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The input."""
        return self.x

    def step(self, node: fx.Node) -> Any:
        """Compute `node`, whose inputs must be there."""
        self.env[node] = self.run_node(node)
        return self.env[node]

    def free(self, node: fx.Node) -> None:
        """Free the values that nobody reads after `node`."""
        for source in self.user_to_last_uses.get(node, ()):
            self.env.pop(source, None)

    def finish(self, nodes: list[fx.Node], env: dict[fx.Node, Any]) -> Any:
        """Run `nodes` from the values before them (`env`, which stays as it is); returns the graph's result."""
        self.env = dict(env)
        result = None
        for node in nodes:
            result = self.step(node)
            self.free(node)
        return result


class BatchesRunner:
    """Runs `graph` on all of `batches` (N, C, H, W), one node at a time: a layer's inputs are there when it comes."""

    def __init__(self, graph: fx.GraphModule, batches: Sequence[Tensor]) -> None:
        self._nodes = list(graph.graph.nodes)
        self._next = 0
        self._runners = [NodeRunner(graph, batch) for batch in batches]

    def inputs_of(self, name: str) -> list[Tensor]:
        """Run the nodes before `name`; returns its input in each batch. The node itself runs next time."""
        while self._nodes[self._next].name != name:
            self.run_next()
        source = self._nodes[self._next].all_input_nodes[0]
        return [runner.env[source] for runner in self._runners]

    @torch.no_grad()
    def run_next(self) -> bool:
        """Run the next node on every batch; False after the last one."""
        node = self._nodes[self._next]
        for runner in self._runners:
            runner.step(node)
            runner.free(node)
        self._next += 1
        return self._next < len(self._nodes)

    def bytes(self) -> int:
        """Of all values that are kept now."""
        tensors = {id(v): v for runner in self._runners for v in runner.env.values() if isinstance(v, Tensor)}
        return sum(tensor.nbytes for tensor in tensors.values())


def most_bytes(graph: fx.GraphModule, batch: Tensor) -> int:
    """The most bytes that a pass keeps for one batch, its picture included."""
    runner, most = BatchesRunner(graph, [batch]), 0
    while runner.run_next():
        most = max(most, runner.bytes())
    return most + batch.nbytes
