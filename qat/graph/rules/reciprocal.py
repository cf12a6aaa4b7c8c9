"""Division by a number becomes multiplication.

before: x / 6
after:  x * (1 / 6)
"""

from __future__ import annotations

import operator

from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, is_tensor, op_name, value_of
from qat.graph.rules.rule import Rule

LEAST, MOST = 1e-30, 1e30  # far from where float32's reciprocal would be cut


def _match(node: Node) -> bool:
    return op_name(node) == "div" and is_tensor(arguments(node)["input"]) and _is_number(arguments(node)["other"])


def _check(node: Node) -> str | None:
    args = arguments(node)
    if args.get("rounding_mode"):
        return f"it rounds ({args['rounding_mode']})"
    if not value_of(args["input"]).is_floating_point():
        return "it divides integers"
    return None if LEAST <= abs(args["other"]) <= MOST else f"float32 has no reciprocal of {args['other']}"


def _apply(node: Node) -> str:
    args = arguments(node)
    replace(node, call(operator.mul, args["input"], 1 / args["other"], like=node))
    return f"{args['input']} * (1 / {args['other']})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RULE = Rule("reciprocal", "torch has no int8 division, and devices run it slowly", _match, _apply, _check)
