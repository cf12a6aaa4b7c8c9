"""The activations that mixed precision keeps in 16 bits, as nodes of the network that is handed over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from torch import fx

from qat.ao import QuantStub
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import kept_bits
from qat.errors import UserError
from qat.graph.nodes import module_of, op_name
from qat.targets import Row, get_target

BITS, DTYPE = 16, "int16"


def int16_nodes(prepared: fx.GraphModule, graph: fx.GraphModule) -> tuple[fx.Node, ...]:
    """The nodes of `graph` that give 16 bits: each layer with the activation that is fused into it.

    Args:
        prepared: backend fx's graph, calibrated.
        graph: rewritten and folded, of the same network; its nodes have names of their own.

    Returns:
        The nodes, in graph order.

    Raises:
        UserError: for one that J5 gives, or reads, in int8 alone.
    """
    kept = {name for name, bits in kept_bits(prepared).items() if bits == BITS}
    found = tuple(node for name, nodes in _groups(prepared, graph).items() if name in kept for node in nodes)
    _check(found, get_target("j5").rows)
    return found


def _groups(prepared: fx.GraphModule, graph: fx.GraphModule) -> Mapping[str, list[fx.Node]]:
    """Nodes of `graph` by the node of `prepared` that computes them: what follows without one is fused into it."""
    theirs, found = _computing(prepared), dict[str, list[fx.Node]]()
    following, current = next(theirs), ""
    for node in graph.graph.nodes:
        if (node.op, node.target) == (following.op, following.target):
            found[following.name], current = [], following.name
            following = next(theirs, following)
        found[current].append(node)
    return {name: [node for node in nodes if node.op != "placeholder"] for name, nodes in found.items()}


def _computing(prepared: fx.GraphModule) -> Iterator[fx.Node]:
    return (node for node in prepared.graph.nodes if not isinstance(module_of(node), ActivationQuantiser))


def _check(kept: Collection[fx.Node], rows: Mapping[str, Row]) -> None:
    for node in kept:
        for each in (node, *node.users):
            row = rows.get("quant_stub" if isinstance(module_of(each), QuantStub) else op_name(each))
            if row is not None and row.dtypes and DTYPE not in row.dtypes:
                does = "gives" if each is node else "reads"
                raise UserError(
                    f"QUANT.MAX_DROP keeps {node.name} in 16 bits, and J5's {row.op} ({each.name}) {does} int8 alone "
                    f"({row.source}); raise it, or improve the weights (QUANT.ADAROUND True)"
                )
