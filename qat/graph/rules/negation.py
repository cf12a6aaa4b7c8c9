"""Negation becomes a multiplication by a constant.

before: -x
after:  x * (-1)
"""

from __future__ import annotations

import operator

from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, is_tensor, op_name
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) == "neg" and is_tensor(node)


def _apply(node: Node) -> str:
    source = arguments(node)["input"]
    replace(node, call(operator.mul, source, -1, like=node))
    return f"{source} * (-1)"


RULE = Rule("negation", "neither target has an int8 negation, both multiply", _match, _apply)
