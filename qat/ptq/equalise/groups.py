"""A walk over a prepared graph: which channels must share a factor, which layers take it up, where none may be.

A factor s > 0 on a channel passes through ReLU and leaky ReLU (positively homogeneous), pooling, resampling,
concatenation, a product with something that has no factor. Where tensors are added, they share their factors. The
rows and columns of convolutions and linear layers, and a batch normalisation's gain and shift, take it up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from qat.backends.node_facts import is_idle, is_quantiser, is_scalar, reads
from qat.graph.nodes import arguments, module_of, op_name, op_of, shape_of
from qat.graph.source import source_of


class Channels:
    """Numbered channels in disjoint sets (union-find). Ids are int64 tensors (channels,)."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._reasons: dict[int, str] = {}

    def __len__(self) -> int:
        """How many channels there are."""
        return len(self._parent)

    def new(self, count: int) -> Tensor:
        """Ids of `count` new channels, each in a set of its own."""
        first = len(self._parent)
        self._parent += range(first, first + count)
        return torch.arange(first, first + count)

    def roots(self, ids: Tensor) -> Tensor:
        """The id that stands for each channel's set."""
        return torch.tensor([self._root(int(i)) for i in ids], dtype=torch.int64)

    def join(self, ids: Tensor, others: Tensor) -> Tensor:
        """Let `ids` and `others` (one of them may be a single channel) share factors, channel by channel."""
        ids, others = torch.broadcast_tensors(ids, others)
        for one, other in zip(ids.tolist(), others.tolist(), strict=True):
            self._join(one, other)
        return ids

    def fix(self, ids: Tensor, reason: str) -> Tensor:
        """Give the channels' sets factor 1; the first reason stays."""
        for root in set(self.roots(ids).tolist()):
            self._reasons.setdefault(root, reason)
        return ids

    def reason(self, channel: int) -> str | None:
        """Why the channel's factor must be 1, or None."""
        return self._reasons.get(self._root(channel))

    def _root(self, channel: int) -> int:
        while self._parent[channel] != channel:
            self._parent[channel] = self._parent[self._parent[channel]]
            channel = self._parent[channel]
        return channel

    def _join(self, one: int, other: int) -> None:
        kept, gone = sorted((self._root(one), self._root(other)))
        if kept != gone:
            self._parent[gone] = kept
            if gone in self._reasons:
                self._reasons.setdefault(kept, self._reasons.pop(gone))


@dataclass(frozen=True)
class LayerChannels:
    """A layer with the ids of the channels that it reads and of those that it makes."""

    read: Tensor
    made: Tensor


@dataclass(frozen=True)
class Groups:
    """Ids of each node's channels, and the layers by module name."""

    channels: Channels
    of: dict[fx.Node, Tensor]
    layers: dict[str, LayerChannels]

    def families(self) -> Tensor:
        """For each channel an id, the same for all that lie in one tensor or in tensors that share channels."""
        families = Channels()
        families.new(len(self.channels))
        roots = self.channels.roots(torch.arange(len(self.channels)))
        for ids in self.of.values():
            families.join(roots[ids[:1]], roots[ids])
        return families.roots(roots)


def find_groups(graph: fx.GraphModule) -> Groups:
    """The groups of a prepared graph whose nodes have shapes (`qat.graph.shapes.propagate`)."""
    walk = _GroupFinder()
    for node in graph.graph.nodes:
        walk.visit(node)
    return Groups(walk.channels, walk.of, walk.layers)


class _GroupFinder:
    def __init__(self) -> None:
        self.channels = Channels()
        self.of: dict[fx.Node, Tensor] = {}
        self.layers: dict[str, LayerChannels] = {}

    def visit(self, node: fx.Node) -> None:
        """Give `node` its channels."""
        if node.op == "output":
            for source in node.all_input_nodes:
                self.channels.fix(self.of[source], "the network's output")
        elif node.op == "placeholder":
            self.of[node] = self.bounded(node, "the network's input")
        else:
            self.of[node] = self.handler(node)(node)

    def handler(self, node: fx.Node) -> Callable[[fx.Node], Tensor]:
        """The function that handles `node`'s operation."""
        op, operands = op_of(node), len(reads(node))
        if len({len(shape_of(each)) for each in (node, *node.all_input_nodes)}) > 1 or len(shape_of(node)) < 2:
            return self.barrier
        if is_quantiser(node) or is_idle(node) or (is_scalar(node) and op.name == "mul"):
            return self.passed
        if op.homogeneous and operands == op.operands:
            return self.passed if operands == 1 else self.added
        if op.name == "cat" and arguments(node)["dim"] in (1, 1 - len(shape_of(node))):
            return self.joined_ends
        if op.weight and node.op == "call_module":
            return self.layer
        return self.product if op.name == "mul" and operands == 2 else self.barrier

    def bounded(self, node: fx.Node, reason: str) -> Tensor:
        """New channels of factor 1."""
        return self.channels.fix(self.channels.new((*shape_of(node), 1, 1)[1]), reason)

    def barrier(self, node: fx.Node) -> Tensor:
        """The inputs may have no factor, and the output has none."""
        reason = f"{op_name(node)} at {source_of(node)}" if source_of(node) else op_name(node)
        for source in node.all_input_nodes:
            self.channels.fix(self.of[source], f"read by {reason}")
        return self.bounded(node, f"made by {reason}")

    def passed(self, node: fx.Node) -> Tensor:
        """The output has the factors of the input."""
        return self.of[node.all_input_nodes[0]]

    def added(self, node: fx.Node) -> Tensor:
        """Both operands share their factors."""
        one, other = reads(node)
        return self.channels.join(self.of[one], self.of[other])

    def product(self, node: fx.Node) -> Tensor:
        """An operand of factor 1 lets the other one's factors pass; else neither may have any."""
        one, other = (self.of[source] for source in reads(node))
        if not self.is_fixed(one):
            one, other = other, one
        if not self.is_fixed(one):
            return self.barrier(node)
        return other.expand(torch.broadcast_shapes(one.shape, other.shape))

    def is_fixed(self, ids: Tensor) -> bool:
        """Whether all these channels have factor 1 by now."""
        return all(self.channels.reason(i) is not None for i in ids.tolist())

    def joined_ends(self, node: fx.Node) -> Tensor:
        """Concatenation keeps every part's factors."""
        return torch.cat([self.of[part] for part in reads(node)])

    def layer(self, node: fx.Node) -> Tensor:
        """A layer divides by the factors that it reads, and makes new ones; a shared one the same at every call."""
        module, name, read = module_of(node), str(node.target), self.of[node.all_input_nodes[0]]
        if not _can_scale(module, node):
            return self.barrier(node)
        if name in self.layers:
            self.channels.join(read, self.layers[name].read)
        else:
            self.layers[name] = LayerChannels(read, self.channels.new(shape_of(node)[1]))
        return self.layers[name].made


def _can_scale(module: nn.Module | None, node: fx.Node) -> bool:
    if isinstance(module, nn.BatchNorm2d):
        return module.affine and module.running_mean is not None
    if isinstance(module, nn.ConvTranspose2d):
        return module.groups == 1
    return not isinstance(module, nn.Linear) or len(shape_of(node)) == 2
