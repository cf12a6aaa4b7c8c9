"""What rules need to know about operations that only rename axes or work value by value."""

from __future__ import annotations

from torch.fx import Node

from qat.graph.nodes import is_tensor, op_of, value_of


def is_reshape(node: Node) -> bool:
    """Whether `node` gives its input's values in the same order under another shape."""
    op, source = op_of(node), node.args[0] if node.args else None
    if not (is_tensor(node) and is_tensor(source) and value_of(node).dtype == value_of(source).dtype):
        return False
    return op.reshapes or (op.name == "getitem" and _only_adds_axes(node.args[1]))


def is_elementwise(node: Node) -> bool:
    """Whether `node` works value by value on one tensor, so that its shape doesn't matter."""
    return op_of(node).elementwise and sum(map(is_tensor, node.all_input_nodes)) == 1


def _only_adds_axes(index: object) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or part == slice(None) for part in parts)
