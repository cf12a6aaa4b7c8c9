"""Concatenation in int8: torch.ao lets all inputs share the output's grid, which isn't so where another fixes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from qat.backends.quantiser import ActivationQuantiser, OnGrid
from qat.backends.scales import quantisers
from qat.backends.spec import QuantSpec
from qat.graph.nodes import arguments, op_name, op_of


def free_inputs(prepared: fx.GraphModule, spec: QuantSpec) -> None:
    """Let a tensor be observed for itself where torch.ao gave it a sigmoid's fixed grid.

    That is what a sigmoid reads, and what is concatenated with its output.
    """
    bounded: set[fx.Node] = set()
    free: dict[int, ActivationQuantiser] = {}  # by the quantiser that several calls share
    for node, quantiser in list(quantisers(prepared)):
        source = node.all_input_nodes[0]
        inputs = source.all_input_nodes
        inherits = bool(inputs) and bounded.issuperset(inputs)
        if quantiser.fixed and (op_of(source).bounds or inherits):
            bounded.add(node)
        elif quantiser.fixed:
            own = free.setdefault(id(quantiser), ActivationQuantiser(spec))
            prepared.set_submodule(str(node.target), own)


def free_operands(prepared: fx.GraphModule, spec: QuantSpec, is_scalar: Callable[[fx.Node], bool]) -> None:
    """Give what a constant is added to or multiplied with a grid of its own, if the result is concatenated.

    torch.ao lets it share the concatenation's grid, which has to hold the results too.
    """
    calls = dict(quantisers(prepared))
    joined = {id(quantiser) for node, quantiser in calls.items() if _is_concatenation(node.all_input_nodes[0])}
    for node, quantiser in calls.items():
        source = node.all_input_nodes[0]
        makes = not any(calls.get(before) is quantiser for before in source.all_input_nodes)
        if id(quantiser) in joined and not quantiser.fixed and makes and any(map(is_scalar, node.users)):
            prepared.set_submodule(str(node.target), ActivationQuantiser(spec))


def mixed_concatenations(prepared: fx.GraphModule) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each concatenation whose inputs have several grids, by its name."""
    calls = dict(quantisers(prepared))
    return {
        node.all_input_nodes[0].name: (float(quantiser.scale), int(quantiser.zero_point))
        for node, quantiser in calls.items()
        if _is_mixed(node, calls)
    }


def lower_concatenations(converted: fx.GraphModule, grids: dict[str, tuple[float, int]]) -> None:
    """Give `mixed_concatenations` their calibrated grid: torch.cat takes the first input's, and clips."""
    for node in converted.graph.nodes:
        if node.target in (torch.cat, torch.stack) and node.name in grids:
            args = arguments(node)
            tensors = args["tensors"] if node.target is torch.cat else _stackable(node, args)
            node.target, node.kwargs = torch.ops.quantized.cat, {}
            node.args = (tensors, args["dim"], *grids[node.name])
    converted.recompile()


def _stackable(node: fx.Node, args: dict[str, Any]) -> list[fx.Node]:
    """What a stack joins, with the axis that it gets there."""
    with node.graph.inserting_before(node):
        return [node.graph.call_function(torch.unsqueeze, (tensor, args["dim"])) for tensor in args["tensors"]]


def _is_concatenation(node: fx.Node) -> bool:
    return op_name(node) in ("cat", "stack") and len(node.all_input_nodes) > 0


def _is_mixed(node: fx.Node, calls: dict[fx.Node, ActivationQuantiser]) -> bool:
    """Whether the quantiser's call `node` rounds int8 tensors that are joined and have more than one grid."""
    source = node.all_input_nodes[0]
    if not _is_concatenation(source) or any(calls[one].bits != 8 for one in (node, *_roundings(source, calls))):
        return False
    return any(_has_own_grid(before, calls, calls[node]) for before in source.all_input_nodes)


def _roundings(source: fx.Node, calls: dict[fx.Node, ActivationQuantiser]) -> list[fx.Node]:
    return [before for before in source.all_input_nodes if before in calls]


def _has_own_grid(node: fx.Node, calls: dict[fx.Node, ActivationQuantiser], shared: ActivationQuantiser) -> bool:
    """Whether the int8 tensor `node` is on another grid: its own, or one that a constant moved on the way to it."""
    if node not in calls:
        return False
    if isinstance(calls[node], OnGrid) or calls[node] is not shared:
        return True
    before = node.all_input_nodes[0].all_input_nodes  # of pooling and the like, which give the grid that they take
    return len(before) == 1 and before[0] in calls and isinstance(calls[before[0]], OnGrid)
