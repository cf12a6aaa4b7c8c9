"""A reshape to a computed batch size leaves that size to torch.

before: x.view(x.shape[0], 2, 8, 16, 32)
after:  x.reshape(-1, 2, 8, 16, 32)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.fx import Node

from qat.graph.edit import call_method, follow_picture, replace
from qat.graph.nodes import arguments, is_tensor, op_name, shape_of, value_of
from qat.graph.rules.rule import Rule

OPEN = -1


def _match(node: Node) -> bool:
    return op_name(node) == "reshape" and is_tensor(node) and any(map(_is_computed, _sizes(node)))


def _check(node: Node) -> str | None:
    both = list(_entries(node))
    if len(both) != len(shape_of(node)):
        return "its sizes are computed as a whole"
    moving = [axis for axis, (before, after) in enumerate(both) if before != after]
    return None if len(moving) == 1 else f"{len(moving)} of its sizes change with the batch size"


def _apply(node: Node) -> str:
    sizes = [
        OPEN if before != after else size for (before, after), size in zip(_entries(node), shape_of(node), strict=True)
    ]
    new = call_method("reshape", arguments(node)["input"], *sizes, like=node)
    follow_picture(new)
    replace(node, new)
    return f"reshape to {tuple(sizes)}"


def _sizes(node: Node) -> tuple[Any, ...]:
    sizes = arguments(node)["shape"]
    return tuple(sizes) if isinstance(sizes, tuple | list) else (sizes,)


def _is_computed(size: Any) -> bool:
    return isinstance(size, Node)


def _entries(node: Node) -> Iterator[tuple[int, int]]:
    """Each size on the example and on twice its batch."""
    for size in _sizes(node):
        before = value_of(size)
        after = size.meta.get("batch", before) if isinstance(size, Node) else size
        yield from zip(_listed(before), _listed(after), strict=True)


def _listed(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


RULE = Rule(
    "batch_size",
    "files and devices take numbers only, and what is left open is the batch",
    _match,
    _apply,
    _check,
)
