"""Every float input gets a QuantStub and every float output a DeQuantStub.

before: y = net(x)
after:  y = dequant(net(quant(x)))
"""

from __future__ import annotations

from typing import Any

from torch.fx import Node
from torch.fx.node import map_arg

from qat.ao import DeQuantStub, QuantStub
from qat.graph.edit import call_module
from qat.graph.nodes import is_tensor, op_name, value_of
from qat.graph.rules.rule import Rule


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
    return [value for value in node.all_input_nodes if _is_float(value) and op_name(value) != "dequant_stub"]


def _match_output(node: Node) -> bool:
    return node.op == "output" and bool(_open_outputs(node))


def _dequantise(node: Node) -> str:
    values = _open_outputs(node)
    stubs = {value: call_module("dequant", DeQuantStub(), value, like=node) for value in values}
    node.args = map_arg(node.args, lambda value: stubs.get(value, value))
    return f"DeQuantStub before {len(stubs)} output{'s' if len(stubs) > 1 else ''}"


QUANT_STUB = Rule(
    "quant_stub", "the quantised part of the graph begins where the inputs are quantised", _match_input, _quantise
)
DEQUANT_STUB = Rule(
    "dequant_stub", "the quantised part of the graph ends where the outputs are dequantised", _match_output, _dequantise
)
