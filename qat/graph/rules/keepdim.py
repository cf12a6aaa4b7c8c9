"""A reduction that drops an axis which is then put back keeps it.

before: torch.sum(x, dim=1).unsqueeze(1); x.mean((2, 3)).sigmoid()[:, :, None, None]
after:  torch.sum(x, dim=1, keepdim=True); x.mean((2, 3), keepdim=True).sigmoid()
"""

from __future__ import annotations

from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import arguments, is_tensor, op_of, shape_of
from qat.graph.rules.reshapes import is_elementwise, is_reshape
from qat.graph.rules.rule import Refuse, Rule
from qat.graph.shapes import infer


def _match(node: Node) -> bool:
    return op_of(node).reduces and is_tensor(node) and not arguments(node)["keepdim"]


def _apply(node: Node) -> str:
    given = arguments(node)
    kept = _kept_shape(shape_of(given["input"]), given["dim"])
    way = _way_to(kept, node)
    reshapes = [other for other in way if is_reshape(other)]
    node.args, node.kwargs = (given.pop("input"),), {**given, "keepdim": True}
    for reshape in reshapes:
        replace(reshape, reshape.all_input_nodes[0])
    for other in (node, *way):
        if other not in reshapes:
            infer(other)
    return f"keepdim=True, without {', '.join(reshape.name for reshape in reshapes)}"


def _kept_shape(shape: tuple[int, ...], dim: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if dim is None or dim == ():
        raise Refuse("it reduces every axis, the batch too")
    axes = {axis % len(shape) for axis in ((dim,) if isinstance(dim, int) else dim)}
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def _way_to(kept: tuple[int, ...], node: Node) -> list[Node]:
    """The elementwise operations and reshapes behind `node` up to tensors of the shape `kept`, in order."""
    found: list[Node] = []
    for user in node.users:
        if is_reshape(user) and shape_of(user) == kept:
            found.append(user)
        elif is_reshape(user) or is_elementwise(user):
            found += [user, *_way_to(kept, user)]
        else:
            raise Refuse(f"the axis isn't put back before {user.name}, which reads shape {shape_of(node)}")
    return found


RULE = Rule(
    "keepdim", "a device's tensors have four axes all the way; int8 kernels have no unsqueeze on some", _match, _apply
)
