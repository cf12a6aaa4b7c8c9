"""Arithmetic on shapes becomes numbers.

before: interpolate(y, size=[x.shape[-2] // 8, x.shape[-1] // 8])
after:  interpolate(y, size=[128, 256])

A number that depends on the batch size stays computed. What reads the others is marked: it follows the
picture's size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from qat.graph.edit import follow_picture
from qat.graph.nodes import value_of
from qat.graph.rules.rule import Rule
from qat.graph.shapes import is_size


def _match(node: Node) -> bool:
    return is_size(node) and (not node.meta.get("batch") or not all(is_size(user) for user in node.users))


def _check(node: Node) -> str | None:
    if node.meta.get("batch") and node.users:
        return "it depends on the batch size"
    return "it is an output" if any(user.op == "output" for user in node.users) else None


def _apply(node: Node) -> str:
    value = _plain(value_of(node))
    for user in list(node.users):
        follow_picture(user)
        user.args = _swap(user.args, node, value)
        user.kwargs = _swap(user.kwargs, node, value)
    node.graph.erase_node(node)
    return f"{node.name} = {value}"


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, torch.Size) else value


def _swap(args: Any, node: Node, value: Any) -> Any:
    return torch.fx.node.map_arg(args, lambda arg: value if arg is node else arg)


RULE = Rule(
    "constant_sizes",
    "a device's compiler fixes every size; computed ones keep the graph from being exported",
    _match,
    _apply,
    _check,
)
