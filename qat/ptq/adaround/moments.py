"""The moments of a layer's inputs and outputs, measured at random output positions.

The pictures are taken in blocks of fixed size: a block is one product in float32, and blocks are added up in float64,
in order. So the sums don't depend on who computes a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

import torch
from torch import Tensor, nn

from qat.distributed import ALONE, Group
from qat.ptq.adaround.patches import grouped, patches, positions

BATCHES = 16  # of a block, at most
VALUES = 1 << 25  # of a block's patches, at most: 128 MB
PANEL = 384  # inputs whose products with those after them are one matrix product


@dataclass(frozen=True)
class Moments:
    """Moments of a layer with g groups, o outputs and d weights an output in each; float64.

    Where the layer has a bias they are centred, so that the best bias drops out: it is mean_y - weight @ mean_x,
    whatever the weight. Where it has none, both means are taken as zero.
    """

    xx: Tensor  # (g, d, d) covariance of the quantised input
    xy: Tensor  # (g, o, d) covariance of float's output with it
    yy: Tensor  # (g, o) variance of float's output
    mean_x: Tensor  # (g, d)
    mean_y: Tensor  # (g, o)

    def error(self, rows: Tensor) -> Tensor:
        """Mean squared error (g, o) against float's output of weights `rows` (g, o, d), under the best bias."""
        return self.yy - 2 * (rows * self.xy).sum(-1) + (rows @ self.xx * rows).sum(-1)

    def offset(self, rows: Tensor) -> Tensor:
        """The best bias (g, o) of weights `rows` (g, o, d)."""
        return self.mean_y - (rows @ self.mean_x[..., None])[..., 0]


@dataclass(frozen=True)
class Sums:
    """Sums over `count` positions of a layer's inputs x and float's outputs y without bias."""

    count: int
    parts: tuple[Tensor, ...]  # of x xT, y xT, y², x, y

    @classmethod
    def total(cls, sums: Iterable[Sums]) -> Sums:
        """Over all positions, added up in order in float64; in place, since x xT of a wide layer has 170 MB."""
        rest = iter(sums)
        first = next(rest)
        count, parts = first.count, [part.double() for part in first.parts]
        for one in rest:
            count += one.count
            for whole, part in zip(parts, one.parts, strict=True):
                whole += part
        return cls(count, tuple(parts))

    def moments(self, bias: Tensor | None) -> Moments:
        """Their means, centred where the layer has a `bias` (g, o)."""
        xx, xy, yy, mean_x, mean_y = (part.cpu().div_(self.count) for part in self.parts)
        if bias is None:
            return Moments(xx, xy, yy, torch.zeros_like(mean_x), torch.zeros_like(mean_y))
        xx -= mean_x[..., None] * mean_x[:, None]
        xy -= mean_y[..., None] * mean_x[:, None]
        return Moments(xx, xy, yy - mean_y.square(), mean_x, mean_y + bias.cpu())


Pair = tuple[Tensor, Tensor]  # a layer's input (N, C, H, W) in the quantised network and in float


@dataclass(frozen=True)
class Share:
    """The batches of this process: those from number `first` on, a multiple of BATCHES, of `total`."""

    group: Group
    first: int
    total: int


def measured(
    layer: nn.Module, inputs: Sequence[Pair], samples: int, seed: int, share: Share | None = None
) -> Moments | None:
    """The moments of a convolution or linear `layer` with float's weight over all pictures.

    Args:
        layer: with float's weight and bias.
        inputs: its inputs of each batch.
        samples: random output positions in all, as many in each batch.
        seed: of the positions, of which the last 12 bits count (torch's generator takes 32).
        share: which batches these are, where other processes have others.

    Returns:
        The moments, in the first process; None in the others.
    """
    share = share or Share(ALONE, 0, len(inputs))
    each, group = -(-samples // share.total), share.group
    size = _block(layer, each)
    starts = range(0, len(inputs), size)
    blocks = (_sums(layer, inputs[at : at + size], each, (seed << 20) + share.first + at) for at in starts)
    own = [Sums.total(blocks)] if inputs and group.main else list(blocks)
    others = group.gather([] if group.main else own)[1:]
    if not group.main:
        return None
    bias = None if layer.bias is None else grouped(layer, cast(Tensor, layer.bias))[..., 0]
    return Sums.total(chain(own, *others)).moments(bias)


def _block(layer: nn.Module, each: int) -> int:
    """How many batches are a block: a power of two, so that blocks of BATCHES hold whole ones."""
    inputs = grouped(layer, cast(Tensor, layer.weight))[:, 0].numel()
    most = min(max(VALUES // (each * inputs), 1), BATCHES)
    return 1 << (most.bit_length() - 1)


def _sums(layer: nn.Module, inputs: Sequence[Pair], each: int, seed: int) -> Sums:
    """The sums of a block."""
    generator = torch.Generator().manual_seed(seed)
    where = [positions(layer, x, each, generator) for x, _ in inputs]
    x, floating = (
        torch.cat([patches(layer, one, there) for one, there in zip(parts, where, strict=True)], 1)
        for parts in zip(*inputs, strict=True)
    )
    y = floating @ grouped(layer, cast(Tensor, layer.weight)).mT
    return Sums(x.shape[1], (gram(x), y.mT @ x, y.square().sum(1), x.sum(1), y.sum(1)))


def gram(x: Tensor) -> Tensor:
    """`x.mT @ x` of x (g, n, d), of which only the upper half is computed.

    >>> gram(torch.tensor([[[1.0, 2.0], [0.0, 1.0]]]))
    tensor([[[1., 2.],
             [2., 5.]]])
    """
    size = x.shape[-1]
    product = x.new_empty(len(x), size, size)
    for start in range(0, size, PANEL):
        stop = min(start + PANEL, size)
        panel = x[..., start:stop].mT @ x[..., start:]
        product[:, start:stop, start:] = panel
        product[:, stop:, start:stop] = panel[..., stop - start :].mT
    return product
