"""Subtraction becomes addition, after a multiplication by a constant where a tensor is subtracted.

before: x - 2; x - y
after:  x + (-2); x + y * (-1)
"""

from __future__ import annotations

import operator

from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, is_tensor, op_name
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) == "sub" and is_tensor(node) and is_tensor(arguments(node)["input"])


def _check(node: Node) -> str | None:
    return "it scales the subtrahend (alpha)" if arguments(node)["alpha"] != 1 else None


def _apply(node: Node) -> str:
    args = arguments(node)
    other = args["other"]
    negative = call(operator.mul, other, -1, like=node) if isinstance(other, Node) else -other
    replace(node, call(operator.add, args["input"], negative, like=node))
    return f"{args['input']} + {negative}"


RULE = Rule(
    "subtraction", "torch has no int8 subtraction: it would dequantise, subtract and quantise", _match, _apply, _check
)
