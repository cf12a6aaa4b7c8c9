"""Reshapes that end at the shape they began with disappear.

before: x.squeeze(1).unsqueeze(1)
after:  x
"""

from __future__ import annotations

from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import is_reshape, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return _origin(node) is not None


def _apply(node: Node) -> str:
    origin = _origin(node)
    assert origin is not None
    replace(node, origin)
    return f"{node.name} is {origin.name}"


def _origin(node: Node) -> Node | None:
    """The tensor before the reshapes up to `node` that has `node`'s shape."""
    source = node
    while is_reshape(source) and isinstance(source.args[0], Node):
        source = source.args[0]
        if shape_of(source) == shape_of(node):
            return source
    return None


RULE = Rule("reshape_pair", "tensors of another rank in between aren't accepted by every device", _match, _apply)
