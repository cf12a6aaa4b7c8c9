"""A convolution or linear map as a function of a module's tensors becomes a layer.

before: F.conv2d(x, self.weight, self.bias, stride=2)
after:  nn.Conv2d(C, K, 3, stride=2)(x), which has these tensors
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import Node

from qat.graph.constants import become_layer, parameter_of, why_not_a_layers
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) in ("conv2d", "linear") and node.op == "call_function"


def _check(node: Node) -> str | None:
    args = arguments(node)
    if op_name(node) == "conv2d" and len(shape_of(args["input"])) != 4:
        return f"its input {shape_of(args['input'])} hasn't four axes"
    return why_not_a_layers({name: args[name] for name in ("weight", "bias")})


def _apply(node: Node) -> str:
    args, name = arguments(node), op_name(node)
    layer = _convolution(args) if name == "conv2d" else _linear(args)
    layer.weight, layer.bias = parameter_of(args["weight"]), parameter_of(args["bias"])  # type: ignore[assignment]
    new = become_layer(node, name, layer.eval(), args["input"])
    return f"{type(layer).__name__} {new.target}"


def _convolution(args: dict[str, Any]) -> nn.Conv2d:
    out, depth, height, width = shape_of(args["weight"])
    groups = args["groups"]
    stride, padding, dilation = (_sides(args[name]) for name in ("stride", "padding", "dilation"))
    kernel = (height, width)
    return nn.Conv2d(depth * groups, out, kernel, stride, padding, dilation, groups, device="meta")


def _linear(args: dict[str, Any]) -> nn.Linear:
    out, depth = shape_of(args["weight"])
    return nn.Linear(depth, out, device="meta")


def _sides(value: Any) -> Any:
    """A stride, padding or dilation as a layer takes it: a number, a name, or one number for each side."""
    if not isinstance(value, tuple | list):
        return value
    return tuple(value) if len(value) == 2 else value[0]


RULE = Rule(
    "functional_layer",
    "int8 kernels are chosen by layers: a convolution as a function runs in float",
    _match,
    _apply,
    _check,
)
