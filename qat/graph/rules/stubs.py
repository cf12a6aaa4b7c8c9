"""Every float input gets a QuantStub and every float output a DeQuantStub, before interpolations of a layer's logits.

before: y = net(x)                          z = interpolate(layer(x))
after:  y = dequant(net(quant(x)))          z = interpolate(dequant(layer(x)))

A layer at the end keeps high precision. It would be lost if its logits were rounded for an interpolation.
"""

from __future__ import annotations

from typing import Any

from torch.fx import Node

from qat.ao import DeQuantStub, QuantStub
from qat.graph.edit import call_module
from qat.graph.nodes import is_tensor, module_of, op_name, value_of
from qat.graph.ops import INT8_LAYERS
from qat.graph.rules.rule import Rule

STUB = "dequant_stub"


def _is_float(node: Any) -> bool:
    return is_tensor(node) and value_of(node).is_floating_point()


def _unstubbed(node: Node) -> list[Node]:
    return [user for user in node.users if op_name(user) != "quant_stub"]


def _match_input(node: Node) -> bool:
    return node.op == "placeholder" and _is_float(node) and bool(_unstubbed(node))


def _quantise(node: Node) -> str:
    readers, inputs = _unstubbed(node), node.graph.find_nodes(op="placeholder")
    stub = call_module("quant", QuantStub(), node, like=node, after=inputs[-1])
    for reader in readers:
        reader.replace_input_with(node, stub)
    return f"QuantStub after the input {node.target}"


def _open_outputs(node: Node) -> list[Node]:
    return [value for value in node.all_input_nodes if _is_float(value) and op_name(before_resizing(value)) != STUB]


def before_resizing(value: Node) -> Node:
    """What lies before the interpolations that make `value`, as far as only outputs come from what is between."""
    while op_name(value) == "interpolate" and all(map(_leads_out, value.all_input_nodes[0].users)):
        value = value.all_input_nodes[0]
    return value


def _leads_out(node: Node) -> bool:
    """Whether `node` is the output, or an interpolation for it alone."""
    return node.op == "output" or (op_name(node) == "interpolate" and all(map(_leads_out, node.users)))


def _end(value: Node) -> Node:
    """Where the quantised part ends: at the layer whose logits are interpolated to `value`, else at `value`."""
    layer = before_resizing(value)
    return layer if isinstance(module_of(layer), INT8_LAYERS) else value


def _match_output(node: Node) -> bool:
    return node.op == "output" and bool(_open_outputs(node))


def _dequantise(node: Node) -> str:
    ends = dict.fromkeys(map(_end, _open_outputs(node)))
    for end in ends:
        readers = [user for user in end.users if _leads_out(user)]
        stub = call_module("dequant", DeQuantStub(), end, like=end, after=end)
        for reader in readers:
            reader.replace_input_with(end, stub)
    return f"DeQuantStub before {len(ends)} output{'s' if len(ends) > 1 else ''}"


QUANT_STUB = Rule(
    "quant_stub", "the quantised part of the graph begins where the inputs are quantised", _match_input, _quantise
)
DEQUANT_STUB = Rule(
    STUB, "the quantised part of the graph ends where the outputs are dequantised", _match_output, _dequantise
)
