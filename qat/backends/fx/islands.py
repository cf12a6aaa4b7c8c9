"""What stands between a network and int8: operations without a grid between those that have one, and check's errors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from qat.backends.node_facts import is_idle, is_quantiser
from qat.backends.scales import quantisers
from qat.errors import UserError
from qat.graph import Rewritten
from qat.graph.check import check
from qat.graph.nodes import arguments, module_of, op_name
from qat.graph.ops import INT8_LAYERS, only_moves
from qat.graph.source import source_of
from qat.invocation import command
from qat.targets import TARGETS

ACTIVATION = "is_activation"  # in a node's meta: that it gives a tensor of floats
SHOWN = 3  # operations that a message names


@dataclass(frozen=True)
class Island:
    """An operation in float before a layer with weights or a rounding; `source`: file:line of the model."""

    node: str
    op: str
    source: str

    def __str__(self) -> str:
        """The operation and where it is."""
        return f"{self.op} ({self.source})"


def islands(prepared: fx.GraphModule) -> list[Island]:
    """Every operation that runs in float between int8 ones, in the graph's order; layers with weights don't count.

    A layer with float output is there because somebody chose it (QUANT.HIGH_PRECISION).
    """
    rounded = {node.all_input_nodes[0] for node, _ in quantisers(prepared)}
    before: set[fx.Node] = set()  # from which a rounding or a layer with weights is reached
    for node in reversed(prepared.graph.nodes):
        if is_quantiser(node) or isinstance(module_of(node), INT8_LAYERS) or any(user in before for user in node.users):
            before.add(node)
    return [
        Island(node.name, op_name(node), source_of(node))
        for node in prepared.graph.nodes
        if node in before and _computes(node) and node not in rounded and not _joins_relu(node, rounded)
    ]


def refuse(prepared: fx.GraphModule) -> None:
    """Raise UserError, naming the first operations, where `prepared` has islands."""
    found = islands(prepared)
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(
            f"{', '.join(map(str, found[:SHOWN]))}{more} would run in float between int8 layers; {command('check')} "
            "says how to write them otherwise, and QUANT.ALLOW_FLOAT True, QuantSpec(allow_float=True), lets them be"
        )


def refuse_errors(rewritten: Rewritten) -> None:
    """Raise UserError, naming the first one, where `check` still reports errors behind the rewrites."""
    if rewritten.target not in TARGETS:  # a table of the caller's own
        return
    examples = [torch.zeros(shape) for shape in rewritten.shapes]
    found = [one for one in check(rewritten.module, examples, rewritten.target) if one.severity == "error"]
    if found:
        first, more = found[0], f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(
            f"{first.op} ({first.source}) doesn't run on {rewritten.target}{more}: {first.message}; {first.fix}; "
            f"{command('check')} lists every error, and QUANT.ALLOW_FLOAT True, QuantSpec(allow_float=True), goes on"
        )


def _computes(node: fx.Node) -> bool:
    """Whether `node` is an operation on activations, not a layer with weights."""
    if not node.op.startswith("call_") or is_quantiser(node) or is_idle(node):
        return False
    computes = not only_moves(op_name(node), arguments(node)) and not isinstance(module_of(node), INT8_LAYERS)
    return computes and bool(node.meta.get(ACTIVATION))


def _joins_relu(node: fx.Node, rounded: set[fx.Node]) -> bool:
    """Whether a ReLU that is rounded alone reads `node`: kernels compute both in one."""
    return len(node.users) == 1 and all(op_name(user) == "relu" and user in rounded for user in node.users)
