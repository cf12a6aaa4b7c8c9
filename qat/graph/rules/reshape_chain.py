"""Reshapes one after another become one.

before: x.squeeze(-1).squeeze(-1)           on (N, C, 1, 1)
after:  x.reshape(-1, C)
"""

from __future__ import annotations

from torch.fx import Node

from qat.graph.edit import call_method, replace
from qat.graph.nodes import is_reshape, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return is_reshape(node) and is_reshape(node.all_input_nodes[0])


def _check(node: Node) -> str | None:
    before, after = shape_of(_origin(node)), shape_of(node)
    return None if before[:1] == after[:1] else f"the first axis of {before} isn't that of {after}"


def _apply(node: Node) -> str:
    sizes = (-1, *shape_of(node)[1:])
    replace(node, call_method("reshape", _origin(node), *sizes, like=node))
    return f"reshape to {sizes}"


def _origin(node: Node) -> Node:
    """What the first reshape of the chain reads."""
    source = node.all_input_nodes[0]
    while is_reshape(source):
        source = source.all_input_nodes[0]
    return source


RULE = Rule("reshape_chain", "other rules look at what is reshaped, and each reshape copies", _match, _apply, _check)
