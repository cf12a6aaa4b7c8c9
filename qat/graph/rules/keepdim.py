"""A reduction that drops an axis which is then put back keeps it.

before: torch.sum(x, dim=1).unsqueeze(1); x.mean((2, 3)).sigmoid()[:, :, None, None]
after:  torch.sum(x, dim=1, keepdim=True); x.mean((2, 3), keepdim=True).sigmoid()
"""

from __future__ import annotations

from collections.abc import Iterator

from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import arguments, is_elementwise, is_reshape, is_tensor, op_of, shape_of
from qat.graph.rules.rule import Rule
from qat.graph.shapes import infer


def _match(node: Node) -> bool:
    return op_of(node).reduces and is_tensor(node) and not arguments(node)["keepdim"]


def _check(node: Node) -> str | None:
    if arguments(node)["dim"] in (None, ()):
        return "it reduces every axis, the batch too"
    for before, after in _way(node):
        if not (is_reshape(after) or is_elementwise(after)):
            return f"the axis isn't put back before {after.name}, which reads shape {shape_of(before)}"
    return None


def _apply(node: Node) -> str:
    args = arguments(node)
    way = [after for _, after in _way(node)]
    reshapes = [step for step in way if is_reshape(step)]
    node.args, node.kwargs = (args.pop("input"),), {**args, "keepdim": True}
    for reshape in reshapes:
        replace(reshape, reshape.all_input_nodes[0])
    for step in (node, *way):
        if step not in reshapes:
            infer(step)
    return f"keepdim=True, without {', '.join(reshape.name for reshape in reshapes)}"


def _kept_shape(node: Node) -> tuple[int, ...]:
    """The shape that the reduction `node` would give with keepdim=True."""
    shape, dim = shape_of(arguments(node)["input"]), arguments(node)["dim"]
    axes = {axis % len(shape) for axis in ((dim,) if isinstance(dim, int) else dim)}
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def _way(node: Node) -> Iterator[tuple[Node, Node]]:
    """What reads the reduction `node`, and what reads that, each with what it reads, in order.

    It ends where a reshape puts the axis back, and at what is neither a reshape nor elementwise.
    """
    kept = _kept_shape(node)
    open_ends = [(node, user) for user in node.users]
    while open_ends:
        before, after = open_ends.pop(0)
        yield before, after
        is_back = is_reshape(after) and shape_of(after) == kept
        if not is_back and (is_reshape(after) or is_elementwise(after)):
            open_ends = [(after, user) for user in after.users] + open_ends


RULE = Rule(
    "keepdim",
    "a device's tensors have four axes all the way; int8 kernels have no unsqueeze on some",
    _match,
    _apply,
    _check,
)
