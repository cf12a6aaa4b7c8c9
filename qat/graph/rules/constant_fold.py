"""What is computed from buffers and sizes alone is computed once.

before: grid = torch.arange(x.shape[3]) * self.step; x + grid.view(1, 1, 1, -1)
after:  x + self.folded                     its size follows the picture's, so no checkpoint holds it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_arg

from qat.graph.constants import is_constant, tensor_of
from qat.graph.edit import constant, replace
from qat.graph.nodes import is_tensor, op_name, value_of
from qat.graph.rules.broadcast import BROADCASTS
from qat.graph.rules.rule import Rule
from qat.graph.shapes import is_size

MOST = 1 << 22  # values that a file may hold for it


def _match(node: Node) -> bool:
    return is_tensor(node) and _is_fixed(node) and not all(map(_is_fixed, node.users))


def _check(node: Node) -> str | None:
    count = value_of(node).numel()
    if count > MOST:
        return f"{count} values are too many for a constant"
    one, two = _compute(node), _compute(node, doubled=True)
    if one.shape == two.shape and torch.equal(one, two):
        return None
    if one.shape[:1] != (1,) or two.shape != (2, *one.shape[1:]) or not torch.equal(two, one.expand_as(two)):
        return "it depends on the batch size"
    needs = next(_needs_batch(node), None)
    return f"{needs} needs it for each picture of the batch" if needs else None


def _apply(node: Node) -> str:
    value = _compute(node)
    replace(node, constant("folded", value, like=node, persistent=False))
    return f"a constant {tuple(value.shape)}"


def _is_fixed(node: Any) -> bool:
    """Whether `node` computes something from buffers and numbers alone; what is trained stays computed."""
    if node.op not in ("call_function", "call_method"):
        return False
    return all(_is_buffer(source) or _is_known(source) or _is_fixed(source) for source in node.all_input_nodes)


def _is_known(node: Node) -> bool:
    return is_size(node) or (node.target is getattr and node.args[1] in ("device", "dtype"))


def _is_buffer(node: Node) -> bool:
    return is_constant(node) and not isinstance(tensor_of(node), nn.Parameter)


def _compute(node: Node, doubled: bool = False) -> Any:
    """What `node` gives on the example, or on twice its batch."""
    if _is_known(node):
        return node.meta.get("batch", value_of(node)) if doubled else value_of(node)
    if is_constant(node):
        return tensor_of(node).detach().clone()
    args, kwargs = map_arg((node.args, node.kwargs), lambda source: _compute(source, doubled))
    with torch.no_grad():
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        result: Tensor = node.target(*args, **kwargs)  # type: ignore[operator]
        return result


def _needs_batch(node: Node) -> Iterator[Node]:
    """What joins `node`'s values with the picture's otherwise than by arithmetic, which broadcasts them."""
    for user in node.users:
        if user.op == "output":
            yield user
        elif all(source is node or is_constant(source) or _is_fixed(source) for source in user.all_input_nodes):
            yield from _needs_batch(user)
        elif op_name(user) not in BROADCASTS:
            yield user


RULE = Rule(
    "constant_fold",
    "files, devices and int8 kernels have no operation for what needs no picture",
    _match,
    _apply,
    _check,
)
