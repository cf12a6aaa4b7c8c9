"""Which operations of a graph a target doesn't take, each with the model's source line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_arg

from qat.graph.attention import ATTENTION
from qat.graph.nodes import arguments, module_of, op_name, op_of, spelling, value_of
from qat.graph.shapes import is_number, is_size
from qat.graph.source import source_of
from qat.graph.trace import Example, trace
from qat.targets import COMPUTED, SIZED, Call, Target, get_target
from qat.torch_private import tree_leaves


@dataclass(frozen=True)
class Violation:
    """A node that breaks one of the target's limits: where it comes from (file:line), what is wrong, how to fix it.

    `document`: where the limit stands (file:line), "" where the table names none.
    """

    node: str
    op: str
    source: str
    message: str
    fix: str
    severity: str
    document: str = ""


def check(module: nn.Module, example: Example, target: str | Target) -> list[Violation]:
    """List what of a network a target doesn't take.

    Args:
        module: a model, or the graph that `trace` or `rewrite` made of one; it stays as it is.
        example: its input tensor (N, channels, H, W), or a sequence of them; only shapes count.
        target: a target's name, such as x86 or j5, or its table.

    Returns:
        Every violation in the graph's order, with the model's source line, what is wrong and how to mend it.

    Raises:
        UserError: if the model can't be traced or doesn't take the example.

    Example:
        >>> import torch, qat
        >>> class Gate(torch.nn.Module):
        ...     def forward(self, x):
        ...         return 1 - torch.sigmoid(x)
        >>> picture = torch.randn(1, 3, 8, 8)
        >>> [violation.op for violation in check(Gate(), picture, "x86")]
        ['sub']
        >>> check(qat.rewrite(Gate(), picture, "x86").module, picture, "x86")
        []
    """
    table = get_target(target) if isinstance(target, str) else target
    graph = trace(module, example, ATTENTION in table.rows).graph
    return [violation for node in graph.nodes for violation in _violations(node, table)]


def _violations(node: Node, table: Target) -> Iterator[Violation]:
    if is_size(node) or not (_shapes(value_of(node)) or is_number(value_of(node))):
        return  # arithmetic on shapes doesn't run on the device
    call = describe(node)
    for limit in table.limits(call.op):
        if not limit.holds(call):
            found = limit.text(call), limit.fix, limit.severity, table.source(call.op, limit)
            yield Violation(node.name, call.op, source_of(node), *found)


def describe(node: Node) -> Call:
    """`node` as a target's limits see it."""
    sources: list[Node] = []
    map_arg((node.args, node.kwargs), sources.append)
    module = module_of(node)
    settings = {name: getattr(module, name) for name in op_of(node).settings if module is not None}
    return Call(
        op=op_name(node),
        spelling=spelling(node),
        inputs=tuple(shape for source in sources for shape in _shapes(value_of(source))),
        outputs=() if node.op == "output" else _shapes(value_of(node)),
        args={name: _plain(value) for name, value in arguments(node).items()} | settings,
        before=op_name(sources[0]) if sources else "",
        after=tuple(op_name(user) for user in node.users),
    )


def _shapes(value: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(leaf.shape) for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _plain(value: Any) -> Any:
    if isinstance(value, Node):
        if is_number(value_of(value)):
            return SIZED if is_size(value) else COMPUTED
        return _plain(value_of(value))
    if isinstance(value, Tensor):
        return tuple(value.shape)
    return tuple(map(_plain, value)) if isinstance(value, tuple | list) else value
