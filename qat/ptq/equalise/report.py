"""What equalisation did: the groups of tensors that share factors, and those that it left alone, with reasons."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, fx

from qat.backends.node_facts import is_quantiser
from qat.ptq.equalise.groups import Groups


@dataclass(frozen=True)
class Group:
    """Tensors (names of nodes) whose channels share factors, the layers that make and that read them (module names).

    `channels`: how many got a factor other than 1. `largest`: the largest max(s, 1 / s), 1.0 where none is allowed.
    `refused`: why channels in it must keep factor 1.
    """

    tensors: tuple[str, ...]
    makers: tuple[str, ...]
    readers: tuple[str, ...]
    channels: int
    largest: float
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All groups in graph order. `difference`: of the outputs, before and after, relative to the largest output."""

    groups: tuple[Group, ...]
    difference: float

    @property
    def applied(self) -> tuple[Group, ...]:
        """The groups in which channels got factors."""
        return tuple(group for group in self.groups if group.channels)

    @property
    def refused(self) -> tuple[Group, ...]:
        """The groups in which no channel may have one."""
        return tuple(group for group in self.groups if not group.channels)


def describe(graph: fx.GraphModule, groups: Groups, factors: Tensor) -> tuple[Group, ...]:
    """The groups of `graph` with their factors."""
    families = groups.families()
    tensors: dict[int, list[fx.Node]] = {}
    for node in graph.graph.nodes:
        if node in groups.of and not is_quantiser(node):
            tensors.setdefault(int(families[groups.of[node][0]]), []).append(node)
    return tuple(_group(family, nodes, groups, families, factors) for family, nodes in tensors.items())


def _group(family: int, nodes: list[fx.Node], groups: Groups, families: Tensor, factors: Tensor) -> Group:
    within = (families == family).nonzero().flatten()
    logs = factors[within].log2().abs()
    reasons = {groups.channels.reason(channel): None for channel in within.tolist()}
    return Group(
        tuple(node.name for node in nodes),
        tuple(name for name, layer in groups.layers.items() if families[layer.made[0]] == family),
        tuple(name for name, layer in groups.layers.items() if families[layer.read[0]] == family),
        int((logs > 0).sum()),
        float(logs.max().exp2()),
        tuple(reason for reason in reasons if reason),
    )
