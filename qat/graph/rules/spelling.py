"""Operations are spelled as torch's FX quantiser knows them.

before: x.add(y); torch.reshape(x, s); x.flatten(1); torch.concat(xs)
after:  x + y;    x.reshape(s);        torch.flatten(x, 1); torch.cat(xs)
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, is_tensor, module_of, spelling
from qat.graph.rules.rule import Rule

TO_FUNCTION: dict[Any, Callable[..., Any]] = {
    "add": torch.add,
    "mul": torch.mul,
    "matmul": torch.matmul,
    "flatten": torch.flatten,
    operator.matmul: torch.matmul,
    torch.concat: torch.cat,
    torch.clip: torch.clamp,
    torch.max_pool2d: F.max_pool2d,
    torch.relu: F.relu,
    nn.Flatten: torch.flatten,
}
TO_METHOD: dict[Any, str] = {torch.reshape: "reshape", "view": "reshape", torch.permute: "permute", "clip": "clamp"}


def _key(node: Node) -> Any:
    module = module_of(node)
    return type(module) if module is not None else node.target


def _match(node: Node) -> bool:
    reads_bits = any(isinstance(argument, torch.dtype) for argument in node.args)  # x.view(torch.int32)
    return is_tensor(node) and not reads_bits and (_key(node) in TO_FUNCTION or _key(node) in TO_METHOD)


def _check(node: Node) -> str | None:
    return "it scales one operand (alpha)" if arguments(node).get("alpha", 1) != 1 else None


def _apply(node: Node) -> str:
    given, before = arguments(node), spelling(node)
    given.pop("alpha", None)
    if _key(node) in TO_METHOD:
        with node.graph.inserting_before(node):
            new = node.graph.call_method(TO_METHOD[_key(node)], node.args, dict(node.kwargs))
        new.meta = dict(node.meta)
    else:
        new = call(TO_FUNCTION[_key(node)], *given.values(), like=node)
    replace(node, new)
    return f"{before} -> {spelling(new)}"


RULE = Rule(
    "spelling",
    "torch's int8 kernels are chosen by spelling: x.add(y) stays in float where x + y doesn't",
    _match,
    _apply,
    _check,
)
