"""A factor inside an addition or subtraction becomes a multiplication before it.

before: torch.add(x, y, alpha=3); torch.sub(x, y, alpha=3); torch.rsub(x, y, alpha=3)
after:  x + y * 3;                x + y * (-3);             x * (-3) + y
"""

from __future__ import annotations

import operator

from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, is_tensor, op_name, value_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) in ("add", "sub", "rsub") and is_tensor(node) and arguments(node)["alpha"] != 1


def _check(node: Node) -> str | None:
    whole = [value for value in node.all_input_nodes if not value_of(value).is_floating_point()]
    return f"{whole[0]} holds integers" if whole else None


def _apply(node: Node) -> str:
    args = arguments(node)
    plain, scaled = (args["other"], args["input"]) if op_name(node) == "rsub" else (args["input"], args["other"])
    factor = args["alpha"] if op_name(node) == "add" else -args["alpha"]
    product = call(operator.mul, scaled, factor, like=node) if isinstance(scaled, Node) else scaled * factor
    replace(node, call(operator.add, plain, product, like=node))
    return f"{plain} + {scaled} * {factor}"


RULE = Rule(
    "alpha", "int8 kernels don't scale an operand: torch's would drop the factor in silence", _match, _apply, _check
)
