"""Find the layers that keep high precision: the last convolution before each output."""

from __future__ import annotations

from torch import fx

from qat.ao import DeQuantStub
from qat.errors import UserError, nearest
from qat.graph.ops import INT8_LAYERS


def float_output_modules(graph: fx.GraphModule, more: tuple[str, ...] = ()) -> list[str]:
    """Module names of the tail convolutions and of the user's own choice; UserError for a name not in the graph."""
    names = {str(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    for name in more:
        if name not in names:
            raise UserError(
                f"QUANT.HIGH_PRECISION names {name}, which is not a layer of the graph; {nearest(name, names)}"
            )
    tails = [str(node.target) for node in _outputs(graph) if _is_tail(graph, node)]
    return list(dict.fromkeys([*tails, *more]))


def _outputs(graph: fx.GraphModule) -> list[fx.Node]:
    output = next(node for node in reversed(graph.graph.nodes) if node.op == "output")
    return [_through_stub(graph, node) for node in output.all_input_nodes]


def _through_stub(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    if node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), DeQuantStub):
        return node.all_input_nodes[0]
    return node


def _is_tail(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op != "call_module":
        return False
    return isinstance(graph.get_submodule(str(node.target)), INT8_LAYERS)
