"""A convolution's padding by name becomes numbers, where both sides are padded alike.

before: nn.Conv2d(C, K, 3, padding="same")
after:  nn.Conv2d(C, K, 3, padding=1)
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.nodes import module_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    conv = module_of(node)
    return isinstance(conv, nn.Conv2d) and isinstance(conv.padding, str)


def _check(node: Node) -> str | None:
    uneven = [added for added in _added(node) if added % 2]
    return f"it pads by {uneven[0]}, one side more than the other; use an odd kernel" if uneven else None


def _apply(node: Node) -> str:
    height, width = _added(node)
    conv = module_of(node)
    assert isinstance(conv, nn.Conv2d)
    name, conv.padding = conv.padding, (height // 2, width // 2)
    return f"padding {name!r} is {conv.padding}"


def _added(node: Node) -> tuple[int, int]:
    """How many rows and columns the padding adds."""
    conv = module_of(node)
    assert isinstance(conv, nn.Conv2d)
    if conv.padding == "valid":
        return 0, 0
    height, width = ((size - 1) * step for size, step in zip(conv.kernel_size, conv.dilation, strict=True))
    return height, width


RULE = Rule("same_padding", "int8 kernels and devices take numbers only", _match, _apply, _check)
