"""Resampling on the integers themselves, as int8 kernels do it.

A bilinear step between two levels often lies exactly between two others. In scaled floats the rounding error then
decides, differently in every program; on integers the tie is exact and goes to the even level everywhere.
"""

from __future__ import annotations

import operator

from torch import Tensor, fx, nn

from qat.graph.nodes import op_of
from qat.observers.grid import round_to_grid

LIMIT = 255  # of the integers around the zero point


def rounded(levels: Tensor) -> Tensor:
    """`levels` to the nearest integers, ties to even; the gradient passes."""
    return round_to_grid(levels, 1.0, 0, -LIMIT, LIMIT)


def resample_integers(graph: fx.GraphModule, quantisers: dict[fx.Node, nn.Module]) -> None:
    """Let resampling between two tensors of one grid run on the integers; `quantisers`: each call with its module."""
    for after, quantiser in quantisers.items():
        node = after.all_input_nodes[0]
        before = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
        if op_of(node).resampling and before in quantisers and quantisers[before] is quantiser:
            _on_integers(graph.graph, node, before, f"{after.target}.scale")
    graph.recompile()


def _on_integers(graph: fx.Graph, node: fx.Node, before: fx.Node, scale_name: str) -> None:
    readers = list(node.users)
    with graph.inserting_before(node):
        scale = graph.get_attr(scale_name)
        levels = graph.call_function(rounded, (graph.call_function(operator.truediv, (before, scale)),))
    node.replace_input_with(before, levels)
    with graph.inserting_after(node):
        whole = graph.call_function(rounded, (node,))
    with graph.inserting_after(whole):
        result = graph.call_function(operator.mul, (whole, scale))
    for reader in readers:
        reader.replace_input_with(node, result)
