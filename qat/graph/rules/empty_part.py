"""A concatenation of a tensor with tensors that hold no values is that tensor; among several, the empty ones go.

before: torch.cat([x, torch.empty(1, 0, 64, 64)], 1)
after:  x
"""

from __future__ import annotations

from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return (
        op_name(node) == "cat" and isinstance(node.args[0], list | tuple) and 0 < len(_held(node)) < len(_parts(node))
    )


def _parts(node: Node) -> list[Node]:
    return [part for part in arguments(node)["tensors"] if isinstance(part, Node)]


def _held(node: Node) -> list[Node]:
    return [part for part in _parts(node) if 0 not in shape_of(part)]


def _apply(node: Node) -> str:
    held, parts = _held(node), len(_parts(node))
    if len(held) == 1:
        replace(node, held[0])
    else:
        node.update_arg(0, held)
    return f"{node} joins {parts} tensors, of which {parts - len(held)} hold no values"


RULE = Rule("empty_part", "torch.ao prepares no concatenation with a tensor that holds no values", _match, _apply)
