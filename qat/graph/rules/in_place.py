"""In-place operations become plain ones.

before: y = x; x += r; relu_(x); use(y)      # y is x: it reads the sum after the ReLU
after:  a = x + r; b = relu(a); use(b)

Nodes that read the changed tensor later, under any name, read the new value. The rule refuses where a view of it (a
slice, a reshape) is read later.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import Node

from qat.graph.edit import readers_after
from qat.graph.nodes import is_tensor, module_of, spelling, value_of
from qat.graph.rules.rule import Rule
from qat.torch_private import storage_id

OPERATORS: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


def is_in_place(node: Node) -> bool:
    """Whether `node` changes its first argument."""
    if not (node.args and is_tensor(node.args[0]) and is_tensor(node)):
        return False
    if node.op == "call_module":
        return bool(getattr(module_of(node), "inplace", False))
    if node.op in ("call_function", "call_method"):
        return node.target in OPERATORS or _ends_in_place(spelling(node)) or bool(node.kwargs.get("inplace"))
    return False


def _ends_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _check(node: Node) -> str | None:
    """Check all calls of a shared module together, since they share its flag."""
    return next((reason for call in _calls_of_module(node) if (reason := _check_call(call))), None)


def _apply(node: Node) -> str:
    calls, before = _calls_of_module(node), spelling(node)
    followers = {call: _followers(call) for call in calls}
    for call in calls:
        _make_plain(call)
        for tensor in followers[call]:
            for reader in readers_after(call, tensor):
                reader.replace_input_with(tensor, call)
    return f"{before} gives a new tensor" + (f" in {len(calls)} calls" if len(calls) > 1 else "")


def _calls_of_module(node: Node) -> list[Node]:
    module = module_of(node)
    if module is None:
        return [node]
    calls = node.graph.find_nodes(op="call_module")
    return [call for call in calls if module_of(call) is module]


def _check_call(node: Node) -> str | None:
    target = _target(node)
    if target.op == "get_attr":
        return f"it changes the model's own tensor {target.target}"
    # plain arithmetic would promote the type where in-place arithmetic keeps its target's
    mine, others = value_of(target).dtype, [value_of(arg).dtype for arg in node.args[1:] if is_tensor(arg)]
    if any(dtype != mine for dtype in others):
        return f"the operands' types differ ({mine} and {others[0]})"
    for alias in _aliases(node):
        if not _same_view(alias, target) and readers_after(node, alias):
            return f"{alias.name} is another view of {target.name} and is read after the change"
    return None if module_of(node) is not None or _plain(node) else f"torch has no plain form of {spelling(node)}"


def _target(node: Node) -> Node:
    """The tensor that `node` changes."""
    target = node.args[0]
    assert isinstance(target, Node)
    return target


def _followers(node: Node) -> list[Node]:
    """The nodes whose later readers must read `node`: other names of the tensor that it changes."""
    return [alias for alias in _aliases(node) if _same_view(alias, _target(node))]


def _aliases(node: Node) -> list[Node]:
    """The tensor that `node` changes, its views and what it is a view of, where they come before `node`."""
    nodes = list(node.graph.nodes)
    return [alias for alias in nodes[: nodes.index(node)] if _overlaps(alias, _target(node))]


def _overlaps(node: Node, target: Node) -> bool:
    values = value_of(node) if isinstance(value_of(node), tuple | list) else (value_of(node),)
    return any(isinstance(value, Tensor) and storage_id(value) == storage_id(value_of(target)) for value in values)


def _same_view(node: Node, target: Node) -> bool:
    a, b = value_of(node), value_of(target)
    return (
        isinstance(a, Tensor)
        and (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype)
        and a.storage_offset() == b.storage_offset()
    )


def _make_plain(node: Node) -> None:
    module = module_of(node)
    if module is not None:
        setattr(module, "inplace", False)  # noqa: B010
    else:
        plain = _plain(node)
        assert plain is not None  # `_check_call` looked
        node.target = plain
    node.kwargs = {**node.kwargs, **({"inplace": False} if "inplace" in node.kwargs else {})}


def _plain(node: Node) -> str | Callable[..., Any] | None:
    """The method or function that gives a new tensor instead; None where torch has none."""
    if node.op == "call_method":
        name = str(node.target).removesuffix("_")
        return name if callable(getattr(Tensor, name, None)) else None
    function: Callable[..., Any] = cast(Callable[..., Any], node.target)
    name = function.__name__
    if function in OPERATORS:
        return OPERATORS[function]
    if not _ends_in_place(name):
        return function
    plain: Callable[..., Any] | None = getattr(F, name.rstrip("_"), None) or getattr(torch, name.rstrip("_"), None)
    return plain


RULE = Rule(
    "in_place",
    "a graph rewrite and a quantiser see values, not memory: a changed tensor would be observed before its change",
    is_in_place,
    _apply,
    _check,
)
