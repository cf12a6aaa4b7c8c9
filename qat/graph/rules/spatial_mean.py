"""The mean over height and width becomes average pooling.

before: x.mean((2, 3), keepdim=True)        on (N, C, 16, 32)
after:  nn.AvgPool2d((16, 32))(x)           its window follows the picture's size
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, follow_picture, replace
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    args = arguments(node)
    dims = args.get("dim")
    return op_name(node) == "mean" and isinstance(dims, tuple | list) and {dim % 4 for dim in dims} == {2, 3}


def _check(node: Node) -> str | None:
    args = arguments(node)
    keeps = len(shape_of(args["input"])) == 4 and args["keepdim"]
    return None if keeps else "pooling keeps four axes, this mean doesn't: pass keepdim=True"


def _apply(node: Node) -> str:
    args = arguments(node)
    height, width = shape_of(args["input"])[2:]
    kernel = (height, width)
    pool = call_module("spatial_mean", nn.AvgPool2d(kernel), args["input"], like=node)
    follow_picture(pool)
    replace(node, pool)
    return f"AvgPool2d(kernel {kernel})"


RULE = Rule(
    "spatial_mean", "torch's int8 mean dequantises inside; average pooling has an int8 kernel", _match, _apply, _check
)
