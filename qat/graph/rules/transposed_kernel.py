"""A transposed convolution's kernel is padded with zeros: they take dilation and output padding in.

before: nn.ConvTranspose2d(C, K, 3, stride=4, output_padding=1); nn.ConvTranspose2d(C, K, 3, dilation=2)
after:  nn.ConvTranspose2d(C, K, 4, stride=4);                   nn.ConvTranspose2d(C, K, 5)
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.fx import Node

from qat.graph.nodes import module_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    conv = module_of(node)
    return isinstance(conv, nn.ConvTranspose2d) and (_is_dilated(conv) or _absorbed(conv) != (0, 0))


def _apply(node: Node) -> str:
    conv = module_of(node)
    assert isinstance(conv, nn.ConvTranspose2d)
    height, width = _absorbed(conv)
    weight = nn.functional.pad(_dense(conv), (0, width, 0, height))
    conv.weight = nn.Parameter(weight, requires_grad=conv.weight.requires_grad)
    conv.kernel_size, conv.dilation = (weight.shape[2], weight.shape[3]), (1, 1)
    conv.output_padding = (conv.output_padding[0] - height, conv.output_padding[1] - width)
    return f"{node.target}: kernel {conv.kernel_size}, output padding {conv.output_padding}"


def _is_dilated(conv: nn.ConvTranspose2d) -> bool:
    return tuple(conv.dilation) != (1, 1)


def _absorbed(conv: nn.ConvTranspose2d) -> tuple[int, int]:
    """Rows and columns of output padding that the kernel takes in: all, where it doesn't cover the stride."""
    sides = zip(_reach(conv), conv.stride, conv.output_padding, strict=True)
    height, width = (added if added > 1 or reach < stride else 0 for reach, stride, added in sides)
    return height, width


def _reach(conv: nn.ConvTranspose2d) -> tuple[int, int]:
    height, width = (step * (size - 1) + 1 for size, step in zip(conv.kernel_size, conv.dilation, strict=True))
    return height, width


def _dense(conv: nn.ConvTranspose2d) -> Tensor:
    """The weight with zeros between its values, (in, out / groups, height, width)."""
    weight = conv.weight.detach()
    (height, width), (rows, columns) = _reach(conv), conv.dilation
    dense = weight.new_zeros(*weight.shape[:2], height, width)
    dense[:, :, ::rows, ::columns] = weight
    return dense


RULE = Rule(
    "transposed_kernel",
    "a device's kernel is dense and covers the stride, its output padding is 0 or 1",
    _match,
    _apply,
)
