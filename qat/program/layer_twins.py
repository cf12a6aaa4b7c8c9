"""Which node of torch.ao's int8 graph computes which layer: torch.ao names what it fuses anew."""

from __future__ import annotations

from collections.abc import Container

import torch
from torch import fx

from qat.backends.node_facts import is_idle, is_quantiser
from qat.graph.nodes import op_name

KERNEL, RELU = "quantized.", "_relu"  # how torch spells its int8 kernels
PASSES = (torch.quantize_per_tensor, "dequantize")


def match_layers(prepared: fx.GraphModule, converted: fx.GraphModule, layers: Container[str]) -> dict[fx.Node, str]:
    """Node of `converted` -> name of the layer in `prepared` that it computes, for those called in `layers`.

    torch.ao keeps a node's name or makes a new node; that is the one which does the same to the same tensors. Nodes
    without a twin are left out.
    """
    open_calls = [node for node in prepared.graph.nodes if not is_quantiser(node) and not is_idle(node)]
    same: dict[fx.Node, fx.Node] = {}
    for node in converted.graph.nodes:
        sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
        if node.target in PASSES:
            same.update((node, same[source]) for source in sources[:1] if source in same)
        elif twin := _twin(node, open_calls, [same.get(source) for source in sources]):
            open_calls.remove(twin)
            same[node] = _behind_relu(node, twin)
    last = {twin.name: node for node, twin in same.items() if node.target != "dequantize"}  # where it is integers
    return {node: name for name, node in last.items() if name in layers}


def _twin(node: fx.Node, open_calls: list[fx.Node], sources: list[fx.Node | None]) -> fx.Node | None:
    named = next((call for call in open_calls if (call.name, call.op) == (node.name, node.op)), None)
    return named or next((call for call in open_calls if _does_the_same(node, call, sources)), None)


def _does_the_same(node: fx.Node, call: fx.Node, sources: list[fx.Node | None]) -> bool:
    """Whether `node` of the converted graph is `call` of the prepared one, given where its inputs come from."""
    if [_origin(source) for source in call.all_input_nodes] != sources:
        return False
    if str(node.target).startswith(KERNEL):
        return op_name(call) in (_kernel(node), _kernel(node).removesuffix(RELU))
    return (node.op, node.target) == (call.op, call.target)


def _kernel(node: fx.Node) -> str:
    return str(node.target).removeprefix(KERNEL).partition(".")[0]


def _behind_relu(node: fx.Node, twin: fx.Node) -> fx.Node:
    """A kernel with a ReLU in it gives the tensor of the ReLU's own node."""
    if str(node.target).startswith(KERNEL) and _kernel(node) == f"{op_name(twin)}{RELU}":
        return next(user for user in twin.users if op_name(user) == "relu")
    return twin


def _origin(node: fx.Node) -> fx.Node:
    """What made the tensor that `node` rounds or passes on."""
    while is_quantiser(node) or is_idle(node):
        node = node.all_input_nodes[0]
    return node
