"""How much a layer computes."""

from __future__ import annotations

import math
from typing import cast

from torch import Tensor, fx, nn

from qat.graph.nodes import module_of, op_of, shape_of


def macs(node: fx.Node) -> int:
    """Multiply-accumulates of a convolution or linear layer for the whole tensor, batch included; 0 for the rest."""
    module = module_of(node)
    if module is None or op_of(node).weight != "int8":
        return 0
    each = node.all_input_nodes[0] if isinstance(module, nn.ConvTranspose2d) else node  # one kernel for each value
    return math.prod(shape_of(each)) * math.prod(cast(Tensor, module.weight).shape[1:])
