"""A pass over a graph, node by node: what it holds is freed after its last reader."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx


class Run(fx.Interpreter):
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
        """Forget what nobody reads after `node`."""
        for done in self.user_to_last_uses.get(node, ()):
            self.env.pop(done, None)

    def finish(self, nodes: list[fx.Node], env: dict[fx.Node, Any]) -> Any:
        """The graph's result, going on at `nodes` from what was there before them (`env`, which stays as it is)."""
        self.env = dict(env)
        result = None
        for node in nodes:
            result = self.step(node)
            self.free(node)
        return result
