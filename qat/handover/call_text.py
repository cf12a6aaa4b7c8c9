"""A graph's node as an expression of Python, with torch and torch.nn.functional only."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from qat.errors import UserError
from qat.graph.nodes import op_of
from qat.graph.source import source_of

_INFIX = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.matmul: "@",
    operator.pow: "**",
}
RENAMED = {"log_sigmoid": "logsigmoid"}  # a function of torch.nn.functional's C++ part -> its name there
_NUMBERS = {math.inf: 'float("inf")', -math.inf: '-float("inf")'}


def call_text(node: fx.Node) -> str:
    """The expression of a node that calls a function or a tensor's method; UserError for what isn't torch's.

    Arguments that are torch's defaults are left out: older versions don't know all of them.
    """
    if node.op == "call_method":
        return f"{value_text(node.args[0])}.{node.target}({_arguments(node, 1)})"
    infix = _INFIX.get(node.target) if not node.kwargs else None  # type: ignore[arg-type]
    if infix:
        return f"{_operand(node.args[0])} {infix} {_operand(node.args[1])}"
    if node.target is operator.getitem:
        return f"{value_text(node.args[0])}[{value_text(node.args[1])}]"
    if node.target is getattr:
        return f"{value_text(node.args[0])}.{node.args[1]}"
    return f"{_function(node)}({_arguments(node, 0)})"


def value_text(value: Any) -> str:
    """An argument's text: nodes by their names.

    >>> value_text((1, slice(None, 2), ...))
    '(1, slice(None, 2, None), ...)'
    """
    if isinstance(value, fx.Node):
        return f"self{attribute_text(str(value.target))}" if value.op == "get_attr" else value.name
    if isinstance(value, slice):
        return f"slice({value_text(value.start)}, {value_text(value.stop)}, {value_text(value.step)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(value_text, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, float) and value in _NUMBERS:
        return _NUMBERS[value]
    if isinstance(value, torch.device):
        return f"torch.{value!r}"
    return "..." if value is Ellipsis else repr(value)


def _operand(value: Any) -> str:
    text = value_text(value)
    return f"({text})" if text.startswith("-") else text


def attribute_text(path: str) -> str:
    """How a submodule or tensor is read from `self`.

    >>> attribute_text("layer1.0.conv1")
    '.layer1["0"].conv1'
    """
    return "".join(f".{name}" if name.isidentifier() else f'["{name}"]' for name in path.split("."))


def _function(node: fx.Node) -> str:
    given = getattr(node.target, "__name__", "")
    name = RENAMED.get(given, given)
    for home, module in (("F", F), ("torch", torch), ("operator", operator)):
        if getattr(module, name, None) == node.target:
            return f"{home}.{name}"
    raise UserError(
        f"{source_of(node)} calls {name or node.target}, and a bundle calls functions of torch only; use torch's"
    )


def _arguments(node: fx.Node, start: int) -> str:
    defaults = _defaults(node)
    given = [value_text(value) for value in node.args[start:]]
    return ", ".join(given + [f"{key}={value_text(value)}" for key, value in _left(node.kwargs, defaults).items()])


def _left(kwargs: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key not in defaults or not _same(value, defaults[key])}


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _defaults(node: fx.Node) -> dict[str, Any]:
    known = dict(op_of(node).parameters)
    target: Callable[..., Any] | None = node.target if callable(node.target) else None
    if inspect.isfunction(target):
        known |= {name: each.default for name, each in inspect.signature(target).parameters.items()}
    return known
