"""What a layer computes: how many multiply-accumulates, and a batch normalisation's gain and shift."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, fx, nn

from qat.graph.nodes import module_of, op_of, shape_of


def macs(node: fx.Node) -> int:
    """Multiply-accumulates of a convolution or linear layer for the whole tensor, batch included; 0 for the rest."""
    module = module_of(node)
    if module is None or op_of(node).weight != "int8":
        return 0
    each = node.all_input_nodes[0] if isinstance(module, nn.ConvTranspose2d) else node  # one kernel for each value
    return math.prod(shape_of(each)) * math.prod(cast(Tensor, module.weight).shape[1:])


def affine_of(norm: nn.BatchNorm2d, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Gain and shift per channel (channels,); `norm` keeps statistics.

    >>> gain, shift = affine_of(nn.BatchNorm2d(2, eps=0.0))
    >>> gain.tolist(), shift.tolist()
    ([1.0, 1.0], [0.0, 0.0])
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = torch.rsqrt(norm.running_var.to(dtype) + norm.eps)
    if norm.weight is not None:
        gain = gain * norm.weight.detach().to(dtype)
    bias = torch.zeros_like(gain) if norm.bias is None else norm.bias.detach().to(dtype)
    return gain, bias - norm.running_mean.to(dtype) * gain
