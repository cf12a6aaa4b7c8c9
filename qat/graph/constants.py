"""The model's own tensors that a graph reads, and how a layer takes them over."""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor, nn
from torch.fx import Node

from qat.graph.edit import call_module, replace
from qat.graph.nodes import owner_of


def is_constant(value: Any) -> bool:
    """Whether `value` is a node that reads a parameter or buffer."""
    return isinstance(value, Node) and value.op == "get_attr"


def tensor_of(node: Node) -> Tensor:
    """The parameter or buffer that `node` reads."""
    tensor: Tensor = operator.attrgetter(str(node.target))(owner_of(node))
    return tensor


def parameter_of(node: Node | None) -> nn.Parameter | None:
    """The tensor that `node` reads, as a layer holds it; a buffer isn't trained. None stays None."""
    tensor = None if node is None else tensor_of(node)
    if tensor is None or isinstance(tensor, nn.Parameter):
        return tensor
    return nn.Parameter(tensor, requires_grad=False)


def why_not_a_layers(tensors: dict[str, Any]) -> str | None:
    """Why a layer can't take over these tensors of a call, by their names there; None if it can. None is no tensor."""
    for name, value in tensors.items():
        if value is not None and not is_constant(value):
            return f"its {name} is computed"
        if value is not None and _is_shared(value):
            return f"{value.target} is read elsewhere too"
    return None


def _is_shared(node: Node) -> bool:
    """Whether another call reads the tensor that `node` reads, or the layer that has it is called itself."""
    graph, home = node.graph, str(node.target).rpartition(".")[0]
    readers = [user for read in graph.find_nodes(op="get_attr") if read.target == node.target for user in read.users]
    return len(readers) > 1 or any(call.target == home for call in graph.find_nodes(op="call_module"))


def become_layer(node: Node, name: str, layer: nn.Module, source: Node) -> Node:
    """Put a call of `layer` on `source` in the place of `node`; names of tensors that only `node` read go."""
    tensors = [value for value in node.all_input_nodes if value is not source and is_constant(value)]
    new = call_module(name, layer, source, like=node)
    replace(node, new)
    for tensor in tensors:
        home, _, attribute = str(tensor.target).rpartition(".")
        delattr(owner_of(tensor).get_submodule(home), attribute)
        tensor.graph.erase_node(tensor)
    return new
