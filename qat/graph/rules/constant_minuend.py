"""A constant minus a tensor becomes an addition and a multiplication by constants.

before: 1 - x
after:  (x + (-1)) * (-1)
"""

from __future__ import annotations

import operator
from typing import Any

from torch import nn
from torch.fx import Node

from qat.graph.constants import is_constant, tensor_of
from qat.graph.edit import call, constant, replace
from qat.graph.nodes import arguments, is_tensor, op_name
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    if not is_tensor(node):
        return False
    minuend, other = _operands(node)
    return is_tensor(other) and (isinstance(minuend, int | float) or is_constant(minuend))


def _check(node: Node) -> str | None:
    if arguments(node)["alpha"] != 1:
        return "it scales the subtrahend (alpha)"
    minuend, _ = _operands(node)
    if isinstance(minuend, Node) and isinstance(tensor_of(minuend), nn.Parameter):
        return f"{minuend.target} is trained: its negated copy would stay behind; register it as a buffer"
    return None


def _apply(node: Node) -> str:
    minuend, other = _operands(node)
    shifted = call(operator.add, other, _negative(minuend, node), like=node)
    replace(node, call(operator.mul, shifted, -1, like=node))
    return f"({other} + (-{minuend})) * (-1)"


def _operands(node: Node) -> tuple[Any, Any]:
    args = arguments(node)
    if op_name(node) == "sub":
        return args["input"], args["other"]
    return (args["other"], args["input"]) if op_name(node) == "rsub" else (None, None)


def _negative(minuend: Any, node: Node) -> Any:
    if not isinstance(minuend, Node):
        return -minuend
    return constant("negative_constant", -tensor_of(minuend), like=node)


RULE = Rule(
    "constant_minuend",
    "neither torch's int8 kernels nor the J5 plugin replace a subtraction from a constant, both have int8 add and mul",
    _match,
    _apply,
    _check,
)
