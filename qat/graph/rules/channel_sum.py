"""The sum over channels becomes a 1x1 convolution of ones.

before: x.sum(dim=1, keepdim=True)          on (N, C, H, W)
after:  nn.Conv2d(C, 1, 1, bias=False)(x), every weight 1
"""

from __future__ import annotations

import torch
from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, replace
from qat.graph.nodes import arguments, is_tensor, op_name, shape_of, value_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) == "sum" and is_tensor(node)


def _check(node: Node) -> str | None:
    args = arguments(node)
    shape, dims = shape_of(args["input"]), args["dim"]
    axes = {dims} if isinstance(dims, int) else set(dims or ())
    if len(shape) != 4 or {axis % 4 for axis in axes} != {1}:
        return f"only the channel axis of four is a convolution, not {dims} of shape {shape}"
    return None if args["keepdim"] else "it drops the channel axis, a convolution keeps it"


def _apply(node: Node) -> str:
    args = arguments(node)
    value = value_of(args["input"])
    replace(node, call_module("channel_sum", _ones(value), args["input"], like=node))
    return f"Conv2d({value.shape[1]}, 1, 1) of ones"


def _ones(value: torch.Tensor) -> nn.Conv2d:
    conv = nn.Conv2d(value.shape[1], 1, 1, bias=False, device=value.device, dtype=value.dtype)
    return conv.requires_grad_(False).apply(lambda module: nn.init.ones_(module.weight))  # type: ignore[arg-type]


RULE = Rule("channel_sum", "torch has no int8 sum; an int8 convolution sums channels exactly", _match, _apply, _check)
