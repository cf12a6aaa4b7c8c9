"""Batch normalisation of a sum goes into the layers that are added.

before: bn(conv1(x) + conv2(y))             in eval mode: bn(s) = gain * s + shift per channel
after:  conv1'(x) + conv2'(y)               each with its weights times the gain, the shift in the first one's bias
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.fx import Node

from qat.graph.batch_norm import affine_of
from qat.graph.edit import replace
from qat.graph.nodes import arguments, module_of, op_name, owner_of, shape_of
from qat.graph.rules.rule import Refuse, Rule

Layer = nn.Conv2d | nn.BatchNorm2d


def _match(node: Node) -> bool:
    if not isinstance(module_of(node), nn.BatchNorm2d):
        return False
    added = node.all_input_nodes[0]
    return op_name(added) == "add" and len(added.all_input_nodes) == 2


def _apply(node: Node) -> str:
    norm, added = module_of(node), node.all_input_nodes[0]
    assert isinstance(norm, nn.BatchNorm2d)
    if len(added.users) > 1:
        raise Refuse("the sum is read elsewhere too")
    if arguments(added)["alpha"] != 1:
        raise Refuse("the sum scales one operand (alpha)")
    layers = [_layer(operand, added) for operand in added.all_input_nodes]
    if norm.running_mean is None:
        raise Refuse("it normalises by the batch's statistics, even in eval mode")
    gain, shift = affine_of(norm)
    for layer, share in zip(layers, (shift, torch.zeros_like(shift)), strict=True):
        _scale(layer, gain, share)
    replace(node, added)
    return f"{node.target} into {' and '.join(str(operand.target) for operand in added.all_input_nodes)}"


def _layer(operand: Node, added: Node) -> Layer:
    module = module_of(operand)
    if not isinstance(module, nn.Conv2d | nn.BatchNorm2d):
        raise Refuse(f"{operand} is {op_name(operand)}, not a convolution or batch normalisation")
    calls = sum(other.target == operand.target for other in owner_of(operand).graph.find_nodes(op="call_module"))
    if len(operand.users) > 1 or calls > 1:
        raise Refuse(f"{operand.target} is used elsewhere too")
    if shape_of(operand) != shape_of(added):
        raise Refuse(f"{operand} is broadcast")
    if module.weight is None:
        raise Refuse(f"{operand.target} has no weights")
    return module


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
)
