"""Cross-layer equalisation of a prepared graph, proven on an example: layers get their factors, the groups a report."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import cast

import torch
from torch import Tensor, fx, nn

from qat.ao import core_of
from qat.backends.fx import float_view
from qat.backends.node_facts import is_quantiser
from qat.backends.scales import quantisers
from qat.errors import UserError
from qat.graph.proof import TOLERANCE, Judge
from qat.graph.shapes import propagate
from qat.ptq.context import Context, Outcome
from qat.ptq.equalise.factors import Ranges, channel_ranges, choose_factors
from qat.ptq.equalise.groups import Groups, find_groups
from qat.stages.folders import METHODS


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
class Equalisation:
    """All groups in graph order. `difference`: of the outputs, before and after, relative to the largest output."""

    groups: tuple[Group, ...]
    difference: float

    def __str__(self) -> str:
        """The line for people."""
        largest = max((group.largest for group in self.applied), default=1.0)
        return (
            f"equalised {len(self.applied)} groups of tensors, largest factor {largest:.1f}; "
            f"{len(self.refused)} groups can't be"
        )

    @property
    def applied(self) -> tuple[Group, ...]:
        """The groups in which channels got factors."""
        return tuple(group for group in self.groups if group.channels)

    @property
    def refused(self) -> tuple[Group, ...]:
        """The groups in which no channel may have one."""
        return tuple(group for group in self.groups if not group.channels)


def tune(prepared: fx.GraphModule, context: Context) -> Outcome:
    """What the method's row runs, with the ranges that the calibration's pictures show."""
    result = equalize(prepared, context.for_ranges(), context.example())
    return Outcome(asdict(result), f"{result} (reasons in {METHODS})")


def equalize(prepared: fx.GraphModule, inputs: Iterable[Tensor], example: Tensor | None = None) -> Equalisation:
    """Give channels factors, where they are made and where they are read, so that each fills its tensor's grid.

    What the graph computes in float stays the same, which is proven.

    Args:
        prepared: a graph that has seen no pictures yet. Its weights and biases change, in place.
        inputs: batches of the calibration's pictures (N, 3, H, W), which say how far each channel reaches: eight of
            512x256, or as many pixels; fewer make it worse, since a channel that they don't use gets a large factor.
        example: pictures to prove it on, beside random ones; the first batch by default.

    Returns:
        The groups of tensors whose channels share factors, those that can't have any, with why, and the outputs'
        difference relative to the largest output.

    Raises:
        UserError: for no pictures, a graph that was calibrated already, or where the outputs would differ; then the
            graph is as it was.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)).eval()
        >>> pictures = [torch.randn(1, 3, 16, 16) for _ in range(2)]
        >>> prepared = qat.prepare(qat.rewrite(model, pictures[0], "x86"))
        >>> [group.makers for group in qat.equalize(prepared, pictures).applied]
        [('0',)]
    """
    if any(int(quantiser.observer.batches) for _, quantiser in quantisers(prepared)):
        raise UserError("equalising moves ranges that were observed already; equalize before calibrate")
    batches = iter(inputs)
    first = list(islice(batches, 1))
    ranges = channel_ranges(prepared, chain(first, batches))
    return _equalized(prepared, first[0] if example is None else example, ranges)


def _equalized(prepared: fx.GraphModule, example: Tensor, ranges: Ranges) -> Equalisation:
    graph = copy.deepcopy(prepared)
    propagate(graph, [example])
    groups = find_groups(graph)
    factors = choose_factors(graph, groups, ranges)
    scaled = copy.deepcopy(prepared)
    scale_layers(scaled, groups, factors)
    difference = Judge(float_view(prepared), [example]).difference(float_view(scaled))
    if not difference <= TOLERANCE:
        raise UserError(
            f"equalisation would change the network's outputs by {difference:.2g} of their scale (tolerance "
            f"{TOLERANCE}); set QUANT.EQUALISE False and report it"
        )
    scale_layers(prepared, groups, factors)
    return Equalisation(describe(graph, groups, factors), difference)


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


def scale_layers(graph: fx.GraphModule, groups: Groups, factors: Tensor) -> None:
    """Change the weights of `graph`'s layers in place; `factors` (len(groups.channels),) float64, one per channel."""
    for name, layer in groups.layers.items():
        core = core_of(graph.get_submodule(name))
        inputs, outputs = factors[layer.read], factors[layer.made]
        if isinstance(core, nn.BatchNorm2d):
            _set(cast(Tensor, core.running_mean), core.running_mean.double() * inputs)  # type: ignore[union-attr]
            _set(core.weight, core.weight.double() * outputs / inputs)
        else:
            _set(cast(Tensor, core.weight), _scaled(cast(nn.Conv2d, core), inputs, outputs))
        if core.bias is not None:
            _set(cast(Tensor, core.bias), core.bias.double() * outputs)  # type: ignore[operator]


def _scaled(layer: nn.Module, inputs: Tensor, outputs: Tensor) -> Tensor:
    """A convolution's or linear layer's weight in float64; each group of rows reads channels of its own."""
    weight = cast(Tensor, layer.weight).double()
    tail = [1] * (weight.dim() - 2)
    if isinstance(layer, nn.ConvTranspose2d):
        return weight / inputs.view(-1, 1, *tail) * outputs.view(1, -1, *tail)
    groups = getattr(layer, "groups", 1)
    columns = inputs.view(groups, 1, -1).expand(groups, len(weight) // groups, -1).reshape(len(weight), -1)
    return weight * outputs.view(-1, 1, *tail) / columns.view(*columns.shape, *tail)


def _set(parameter: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(value)
