"""In-place operations become plain ones.

before: y = x; x += r; relu_(x); use(y)      # y is x: it reads the sum after the ReLU
after:  a = x + r; b = relu(a); use(b)

Whoever reads the changed tensor later, under any name, reads the new value. Where a view of it (a slice, a reshape) is
read later the rule refuses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import Node

from qat.graph.edit import readers_after
from qat.graph.nodes import is_tensor, module_of, spelling, value_of
from qat.graph.rules.rule import Refuse, Rule
from qat.torch_private import storage_id

OPERATORS = {
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


def _apply(node: Node) -> str:
    calls, before = _calls_of_module(node), spelling(node)
    followers = {call: _followers(call) for call in calls}  # all or none: the calls share the module's flag
    for call in calls:
        _make_plain(call)
        for tensor in followers[call]:
            for reader in readers_after(call, tensor):
                reader.replace_input_with(tensor, call)
    return f"{before} gives a new tensor" + (f" in {len(calls)} calls" if len(calls) > 1 else "")


def _calls_of_module(node: Node) -> list[Node]:
    module = module_of(node)
    return [node] if module is None else [other for other in node.graph.nodes if module_of(other) is module]


def _followers(node: Node) -> list[Node]:
    """The nodes whose later readers must read `node`: other names of the tensor that it changes."""
    target = node.args[0]
    assert isinstance(target, Node)
    if target.op == "get_attr":
        raise Refuse(f"it changes the model's own tensor {target.target}")
    _check_type(node)
    aliases = [other for other in _before(node) if _overlaps(other, target)]
    for alias in aliases:
        if not _same_view(alias, target) and readers_after(node, alias):
            raise Refuse(f"{alias.name} is another view of {target.name} and is read after the change")
    return [alias for alias in aliases if _same_view(alias, target)]


def _check_type(node: Node) -> None:
    """Plain arithmetic would promote the type or broadcast where in-place arithmetic keeps its target's."""
    target, others = value_of(node.args[0]), [value_of(arg) for arg in node.args[1:] if is_tensor(arg)]
    if any(other.dtype != target.dtype for other in others):
        raise Refuse(f"the operands' types differ ({target.dtype} and {others[0].dtype})")


def _before(node: Node) -> list[Node]:
    nodes = list(node.graph.nodes)
    return nodes[: nodes.index(node)]


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
    elif node.op == "call_method":
        node.target = _plain_method(str(node.target))
    else:
        node.target = OPERATORS.get(node.target) or _plain_function(node.target)  # type: ignore[arg-type]
    node.kwargs = {**node.kwargs, **({"inplace": False} if "inplace" in node.kwargs else {})}


def _plain_method(name: str) -> str:
    plain = name.removesuffix("_")
    if not callable(getattr(Tensor, plain, None)):
        raise Refuse(f"torch has no plain form of Tensor.{name}")
    return plain


def _plain_function(function: Any) -> Callable[..., Any]:
    name = function.__name__
    if not _ends_in_place(name):
        return function
    plain = getattr(F, name.rstrip("_"), None) or getattr(torch, name.rstrip("_"), None)
    if plain is None:
        raise Refuse(f"torch has no plain form of {name}")
    return plain


RULE = Rule(
    "in_place",
    "a graph rewrite and a quantiser see values, not memory: a changed tensor would be observed before its change",
    is_in_place,
    _apply,
)
