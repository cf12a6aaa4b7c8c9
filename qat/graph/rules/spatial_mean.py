"""The mean over height and width becomes average pooling.

before: x.mean((2, 3), keepdim=True)        on (N, C, 16, 32)
after:  nn.AvgPool2d((16, 32))(x)
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, replace
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Refuse, Rule


def _match(node: Node) -> bool:
    given = arguments(node)
    dims = given.get("dim")
    return op_name(node) == "mean" and isinstance(dims, tuple | list) and {dim % 4 for dim in dims} == {2, 3}


def _apply(node: Node) -> str:
    given = arguments(node)
    shape = shape_of(given["input"])
    if len(shape) != 4 or not given["keepdim"]:
        raise Refuse("pooling keeps four axes, this mean doesn't: pass keepdim=True")
    replace(node, call_module("spatial_mean", nn.AvgPool2d(shape[2:]), given["input"], like=node))
    return f"AvgPool2d(kernel {shape[2:]})"


RULE = Rule("spatial_mean", "torch's int8 mean dequantises inside; average pooling has an int8 kernel", _match, _apply)
