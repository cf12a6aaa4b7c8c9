"""An average over a large window becomes a depthwise convolution of equal weights.

before: nn.AvgPool2d(17, stride=8, padding=8)           on (N, C, H, W)
after:  nn.Conv2d(C, C, 17, stride=8, padding=8, groups=C, bias=False), every weight 1 / 289
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, follows_picture, replace
from qat.graph.nodes import arguments, op_name, shape_of, value_of
from qat.graph.rules.rule import Rule

LEAST = 9  # values in a window: the mean of fewer still fills its input's grid


def _match(node: Node) -> bool:
    return op_name(node) == "avg_pool2d"


def _check(node: Node) -> str | None:
    args = arguments(node)
    if follows_picture(node):
        return "its window follows the picture's size, and so would the weights"
    if (values := prod(_pair(args["kernel_size"]))) < LEAST:
        return f"a mean of {values} values fills the grid that it shares with its input"
    uncounted = any(_pair(args["padding"])) and not args["count_include_pad"]
    if args["ceil_mode"] or args["divisor_override"] or uncounted:
        return "its divisor isn't the same everywhere, or not the window's size"
    return None


def _apply(node: Node) -> str:
    args = arguments(node)
    kernel, padding = _pair(args["kernel_size"]), _pair(args["padding"])
    stride = _pair(args["stride"]) if args["stride"] else kernel
    conv = _mean(value_of(args["input"]), kernel, stride, padding)
    replace(node, call_module("mean", conv, args["input"], like=node))
    return f"depthwise Conv2d of {shape_of(node)[1]} channels, kernel {kernel}, weights 1 / {prod(kernel)}"


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])


def _mean(value: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> nn.Conv2d:
    channels = value.shape[1]
    conv = nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False).to(value)
    nn.init.constant_(conv.weight, 1 / prod(kernel))
    return conv.requires_grad_(False)


RULE = Rule(
    "pool_convolution",
    "int8 pooling gives its input's grid, of which a mean of many values uses a few levels; a convolution has its own, "
    "and takes the batch normalisation behind it in",
    _match,
    _apply,
    _check,
)
