"""A tensor that is expanded for arithmetic isn't: arithmetic broadcasts.

before: x * gate.expand_as(x)               with a gate (N, C, 1, 1)
after:  x * gate
"""

from __future__ import annotations

import torch
from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import is_tensor, op_name, shape_of
from qat.graph.rules.rule import Rule

BROADCASTS = ("add", "sub", "rsub", "mul", "div", "maximum", "minimum")


def _match(node: Node) -> bool:
    return op_name(node) in ("expand", "expand_as") and is_tensor(node)


def _check(node: Node) -> str | None:
    if shape_of(node) == shape_of(_source(node)):
        return None
    needs = next((user for user in node.users if not _broadcasts(user, node)), None)
    return f"{needs} needs all of {shape_of(node)}" if needs else None


def _apply(node: Node) -> str:
    source = _source(node)
    replace(node, source)
    return f"{source} {shape_of(source)} is broadcast"


def _source(node: Node) -> Node:
    return node.all_input_nodes[0]


def _broadcasts(user: Node, node: Node) -> bool:
    """Whether `user` gives the same shape when it reads what `node` expands."""
    if op_name(user) not in BROADCASTS:
        return False
    before = [_source(node) if operand is node else operand for operand in user.all_input_nodes]
    return tuple(torch.broadcast_shapes(*map(shape_of, before))) == shape_of(user)


RULE = Rule(
    "broadcast",
    "torch has no int8 expand, and what is expanded would be rounded and moved once for each copy",
    _match,
    _apply,
    _check,
)
