"""Adaptive pooling over a regular grid becomes fixed pooling.

before: nn.AdaptiveAvgPool2d((1, 1))        on (N, C, 16, 32)
after:  nn.AvgPool2d((16, 32), stride=(16, 32))
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, replace
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Refuse, Rule

SIZED = "sized_by_the_picture"  # attribute of a pooling whose window this rule made
FIXED: dict[str, tuple[str, type[nn.Module]]] = {
    "adaptive_avg_pool2d": ("avg_pool", nn.AvgPool2d),
    "adaptive_max_pool2d": ("max_pool", nn.MaxPool2d),
}


def _match(node: Node) -> bool:
    return op_name(node) in FIXED


def _apply(node: Node) -> str:
    given = arguments(node)
    if given.get("return_indices"):
        raise Refuse("it gives indices too")
    sizes = shape_of(given["input"])[2:]
    kernel, stride = zip(*(window(size, out) for size, out in zip(sizes, shape_of(node)[2:], strict=True)), strict=True)
    name, kind = FIXED[op_name(node)]
    pool = kind(kernel, stride)
    setattr(pool, SIZED, True)
    replace(node, call_module(name, pool, given["input"], like=node))
    return f"{kind.__name__}(kernel {kernel}, stride {stride})"


def window(size: int, out: int) -> tuple[int, int]:
    """Kernel and stride of the windows [i * size // out, ceil((i + 1) * size / out)); Refuse if they differ."""
    starts = [i * size // out for i in range(out)]
    kernels = {-(-(i + 1) * size // out) - start for i, start in enumerate(starts)}
    strides: set[Any] = {after - before for before, after in pairwise(starts)}
    if len(kernels) > 1 or len(strides) > 1:
        raise Refuse(f"{size} values into {out} windows: they aren't all of one size and step")
    kernel = kernels.pop()
    return kernel, strides.pop() if strides else kernel


RULE = Rule(
    "adaptive_pool", "a device emulates adaptive pooling at a loss, and the size is fixed anyway", _match, _apply
)
