"""Adaptive pooling over a regular grid becomes fixed pooling.

before: nn.AdaptiveAvgPool2d((1, 1))        on (N, C, 16, 32)
after:  nn.AvgPool2d((16, 32), stride=(16, 32))     its window follows the picture's size
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, follow_picture, replace
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Rule

FIXED: dict[str, tuple[str, type[nn.Module]]] = {
    "adaptive_avg_pool2d": ("avg_pool", nn.AvgPool2d),
    "adaptive_max_pool2d": ("max_pool", nn.MaxPool2d),
}


def _match(node: Node) -> bool:
    return op_name(node) in FIXED


def _check(node: Node) -> str | None:
    if arguments(node).get("return_indices"):
        return "it gives indices too"
    uneven = (f"{size} values into {out} windows" for size, out in _sides(node) if window(size, out) is None)
    text = next(uneven, None)
    return f"{text}: they aren't all of one size and step" if text else None


def _apply(node: Node) -> str:
    name, kind = FIXED[op_name(node)]
    windows = [kernel for size, out in _sides(node) if (kernel := window(size, out))]
    kernel, stride = zip(*windows, strict=True)
    pool = call_module(name, kind(kernel, stride), arguments(node)["input"], like=node)
    follow_picture(pool)
    replace(node, pool)
    return f"{kind.__name__}(kernel {kernel}, stride {stride})"


def _sides(node: Node) -> list[tuple[int, int]]:
    """Height and width, each before and behind."""
    return list(zip(shape_of(arguments(node)["input"])[2:], shape_of(node)[2:], strict=True))


def window(size: int, out: int) -> tuple[int, int] | None:
    """Kernel and stride of the windows [i * size // out, ceil((i + 1) * size / out)); None if they differ.

    >>> window(16, 1), window(6, 3), window(5, 2), window(6, 4)
    ((16, 16), (2, 2), (3, 2), None)
    """
    starts = [i * size // out for i in range(out)]
    kernels = {-(-(i + 1) * size // out) - start for i, start in enumerate(starts)}
    strides = {after - before for before, after in pairwise(starts)}
    if len(kernels) > 1 or len(strides) > 1:
        return None
    kernel = kernels.pop()
    return kernel, strides.pop() if strides else kernel


RULE = Rule(
    "adaptive_pool",
    "a device emulates adaptive pooling at a loss, and the size is fixed anyway",
    _match,
    _apply,
    _check,
)
