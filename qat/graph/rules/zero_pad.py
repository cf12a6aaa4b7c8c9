"""Padding by nothing disappears.

before: F.pad(x, (0, 0, 0, 0))
after:  x
"""

from __future__ import annotations

from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import arguments, op_name
from qat.graph.rules.rule import Rule

PADDING = {"pad": "pad", "pad_layer": "padding", "pad_reflect": "padding"}  # the parameter that says how much


def _match(node: Node) -> bool:
    if op_name(node) not in PADDING:
        return False
    sides = arguments(node)[PADDING[op_name(node)]]
    return all(side == 0 for side in (sides if isinstance(sides, tuple | list) else (sides,)))


def _apply(node: Node) -> str:
    replace(node, arguments(node)["input"])
    return f"{node} pads by 0"


RULE = Rule("zero_pad", "torch has no int8 padding, and this one copies its input", _match, _apply)
