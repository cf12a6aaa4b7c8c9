"""Layers that do nothing in eval mode disappear.

before: y = dropout(identity(x.clone()))
after:  y = x
"""

from __future__ import annotations

from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import arguments, op_name, spelling
from qat.graph.rules.in_place import is_in_place
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) in ("identity", "dropout", "clone")


def _check(node: Node) -> str | None:
    if op_name(node) == "clone" and any(map(is_in_place, node.graph.nodes)):
        return "something is still changed in place, and it may be this copy"
    is_on = op_name(node) == "dropout" and arguments(node)["training"]
    return "this dropout is on in eval mode too: pass training=self.training" if is_on else None


def _apply(node: Node) -> str:
    replace(node, arguments(node)["input"])
    return f"{spelling(node)} removed"


RULE = Rule("identity", "an idle layer would get an observer, and an int8 rounding, of its own", _match, _apply, _check)
