"""Activations that gate their input become the product, of which the device has both factors.

before: F.hardswish(x); F.mish(x)
after:  x * F.hardsigmoid(x); x * torch.tanh(F.softplus(x))
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, op_name
from qat.graph.rules.rule import Rule

GATES: dict[str, tuple[Callable[..., torch.Tensor], ...]] = {
    "hardswish": (F.hardsigmoid,),
    "mish": (F.softplus, torch.tanh),
}


def _match(node: Node) -> bool:
    return op_name(node) in GATES


def _apply(node: Node) -> str:
    source = gate = arguments(node)["input"]
    for function in GATES[op_name(node)]:
        gate = call(function, gate, like=node)
    replace(node, call(operator.mul, source, gate, like=node))
    return f"{source} * {gate}"


RULE = Rule("gated_activation", "the device has tables for the gates and a product, not for the whole", _match, _apply)
