"""Batch normalisation as a function of a module's tensors becomes a layer.

before: F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, training=False)
after:  nn.BatchNorm2d(C)(x), which has these tensors
"""

from __future__ import annotations

import inspect
from typing import Any

import torch.nn.functional as F
from torch import nn
from torch.fx import Node

from qat.graph.constants import become_layer, is_constant, parameter_of, tensor_of, why_not_a_layers
from qat.graph.nodes import op_name, shape_of
from qat.graph.rules.rule import Rule

SIGNATURE = inspect.signature(F.batch_norm)


def _match(node: Node) -> bool:
    return op_name(node) == "batch_norm" and node.op == "call_function"


def _check(node: Node) -> str | None:
    args = _arguments(node)
    statistics = {name: args[name] for name in ("running_mean", "running_var")}
    if args["training"] or not all(statistics.values()):
        return "it normalises by the batch's statistics, even in eval mode"
    if len(shape_of(args["input"])) != 4:
        return f"its input {shape_of(args['input'])} hasn't four axes"
    return why_not_a_layers(statistics | {name: args[name] for name in ("weight", "bias")})


def _apply(node: Node) -> str:
    args = _arguments(node)
    norm = _layer(args)
    new = become_layer(node, "norm", norm, args["input"])
    return f"BatchNorm2d({norm.num_features}) {new.target}"


def _arguments(node: Node) -> dict[str, Any]:
    bound = SIGNATURE.bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _layer(args: dict[str, Any]) -> nn.BatchNorm2d:
    mean, variance = tensor_of(args["running_mean"]), tensor_of(args["running_var"])
    affine = is_constant(args["weight"]) or is_constant(args["bias"])
    norm = nn.BatchNorm2d(len(mean), args["eps"], args["momentum"], affine).to(mean.device, mean.dtype).eval()
    norm.running_mean, norm.running_var = mean.detach(), variance.detach()
    for name in ("weight", "bias"):
        if args[name] is not None:
            setattr(norm, name, parameter_of(args[name]))
        elif affine:
            getattr(norm, name).requires_grad_(False)
    return norm


RULE = Rule(
    "functional_norm",
    "a normalisation is free inside the convolution before it, if it is a layer; as a function it runs in float",
    _match,
    _apply,
    _check,
)
