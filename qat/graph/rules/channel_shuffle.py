"""A shuffle of channels through five axes becomes a layer.

before: x.view(N, 2, C // 2, H, W).transpose(1, 2).contiguous().view(N, C, H, W)
after:  nn.ChannelShuffle(2)(x)
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.edit import call_module, replace
from qat.graph.nodes import arguments, is_reshape, op_name, op_of, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return _source(node) is not None


def _apply(node: Node) -> str:
    source = _source(node)
    assert source is not None
    groups = shape_of(_before(node))[2]
    replace(node, call_module("shuffle", nn.ChannelShuffle(groups), source, like=node))
    return f"ChannelShuffle({groups})"


def _source(node: Node) -> Node | None:
    """What is shuffled, if `node` ends a shuffle: (N, g, c, H, W), with g and c swapped, as (N, C, H, W)."""
    swap = _before(node) if is_reshape(node) and len(shape_of(node)) == 4 else None
    if swap is None or not _swaps(swap):
        return None
    split = swap.all_input_nodes[0]
    source = split.all_input_nodes[0] if is_reshape(split) else None
    if source is None or shape_of(source) != shape_of(node):
        return None
    batch, channels, *sides = shape_of(source)
    first, groups, each, *rest = shape_of(split)
    return source if (first, groups * each, rest) == (batch, channels, sides) else None


def _before(node: Node) -> Node:
    """What `node` reads, past what gives it on."""
    source = node.all_input_nodes[0]
    while op_of(source).idle and source.all_input_nodes:
        source = source.all_input_nodes[0]
    return source


def _swaps(node: Node) -> bool:
    """Whether `node` swaps axes 1 and 2 of five."""
    if len(shape_of(node)) != 5:
        return False
    args = arguments(node)
    if op_name(node) == "transpose":
        return {args["dim0"] % 5, args["dim1"] % 5} == {1, 2}
    return op_name(node) == "permute" and [axis % 5 for axis in args["dims"]] == [0, 2, 1, 3, 4]


RULE = Rule("channel_shuffle", "a device has the layer, and no tensors of five axes", _match, _apply)
