"""Batch normalisation of a sum goes into the layers that are added.

before: bn(conv1(x) + conv2(y))             in eval mode: bn(s) = gain * s + shift per channel
after:  conv1'(x) + conv2'(y)               each with its weights times the gain, the shift in the first one's bias
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.layers import affine_of
from qat.graph.nodes import arguments, module_of, op_name, owner_of, shape_of
from qat.graph.rules.rule import Rule

Layer = nn.Conv2d | nn.BatchNorm2d


def _match(node: Node) -> bool:
    if not isinstance(module_of(node), nn.BatchNorm2d):
        return False
    added = node.all_input_nodes[0]
    return op_name(added) == "add" and len(added.all_input_nodes) == 2


def _check(node: Node) -> str | None:
    norm, added = module_of(node), node.all_input_nodes[0]
    if len(added.users) > 1:
        return "the sum is read elsewhere too"
    if arguments(added)["alpha"] != 1:
        return "the sum scales one operand (alpha)"
    for operand in added.all_input_nodes:
        if reason := _check_layer(operand, added):
            return reason
    has_statistics = isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    return None if has_statistics else "it normalises by the batch's statistics, even in eval mode"


def _apply(node: Node) -> str:
    norm, added = module_of(node), node.all_input_nodes[0]
    assert isinstance(norm, nn.BatchNorm2d)
    gain, shift = affine_of(norm)
    for operand, share in zip(added.all_input_nodes, (shift, torch.zeros_like(shift)), strict=True):
        _scale(cast(Layer, module_of(operand)), gain, share)
    replace(node, added)
    return f"{node.target} into {' and '.join(str(operand.target) for operand in added.all_input_nodes)}"


def _check_layer(operand: Node, added: Node) -> str | None:
    """Why the layer that makes an operand of the sum can't take in the normalisation."""
    module = module_of(operand)
    if not isinstance(module, Layer):
        return f"{operand} is {op_name(operand)}, not a convolution or batch normalisation"
    calls = sum(call.target == operand.target for call in owner_of(operand).graph.find_nodes(op="call_module"))
    if len(operand.users) > 1 or calls > 1:
        return f"{operand.target} is used elsewhere too"
    if shape_of(operand) != shape_of(added):
        return f"{operand} is broadcast"
    return f"{operand.target} has no weights" if module.weight is None else None


def _scale(layer: Layer, gain: Tensor, shift: Tensor) -> None:
    weight = layer.weight.detach()
    before = shift.new_zeros(len(shift)) if layer.bias is None else layer.bias.detach().double()
    scaled = weight.double() * gain.view(-1, *[1] * (weight.dim() - 1))
    layer.weight = nn.Parameter(scaled.to(weight.dtype), requires_grad=layer.weight.requires_grad)
    layer.bias = nn.Parameter((before * gain + shift).to(weight.dtype), requires_grad=layer.weight.requires_grad)


RULE = Rule(
    "norm_into_sum",
    "batch normalisation is free inside a convolution; after a sum it is an int8 layer, and a rounding, of its own",
    _match,
    _apply,
    _check,
)
