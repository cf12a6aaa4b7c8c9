"""How much a layer computes."""

from __future__ import annotations

import math

from torch import fx, nn

from qat.graph.nodes import module_of, shape_of


def macs(node: fx.Node) -> int:
    """Multiply-accumulates of a convolution or linear layer for the whole tensor, batch included; 0 for the rest."""
    module = module_of(node)
    if isinstance(module, nn.ConvTranspose2d):
        return math.prod(shape_of(node.all_input_nodes[0])) * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.Conv2d | nn.Linear):
        return math.prod(shape_of(node)) * math.prod(module.weight.shape[1:])
    return 0
