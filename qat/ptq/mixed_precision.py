"""QUANT.MAX_DROP: as few layers as possible in more bits, so that mIoU on held-out pictures stays within a bound."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from torch import fx, nn

from qat.backends.fx import fake_quantized
from qat.backends.scales import freeze_scales, keep_bits, quantisers
from qat.errors import UserError
from qat.graph.layers import macs
from qat.graph.nodes import module_of
from qat.graph.ops import INT8_LAYERS
from qat.graph.shapes import propagate
from qat.ptq.context import Context, Outcome

BITS = {"j5": 16, "j5_ptq": 16, "x86": 32}  # what the layers that are kept get on each target
Holds = Callable[[Sequence[str]], bool]  # whether the bound holds with these layers in more bits


@dataclass(frozen=True)
class MixedPrecision:
    """`layers`: in more bits than int8, the most sensitive first. `bits`: 16 or 32 (float). `macs`: share (0 to 1) of
    the network's multiply-accumulates that read or give such a tensor. `drop`: of mIoU (0 to 1) that is left.
    """

    layers: tuple[str, ...]
    bits: int
    macs: float
    drop: float

    def __str__(self) -> str:
        """The line that tools print."""
        form = "float" if self.bits == 32 else "int16"
        if not self.layers:
            return f"mixed precision: none needed, the score drops by {self.drop:.4f} on the held-out pictures"
        layers = f"{len(self.layers)} layer(s) in {form} ({', '.join(self.layers)})"
        return f"mixed precision: {layers}, {self.macs:.1%} of the MACs; the score drops by {self.drop:.4f}"


def tune(prepared: fx.GraphModule, context: Context) -> Outcome:
    """What the method's row runs, on the held-out pictures, against the rewritten float network."""
    freeze_scales(prepared)
    context.share("MAX_DROP", prepared)
    judge, plain = context.judge(), context.plain()
    floating = judge(plain).main
    if floating is None:
        raise UserError("QUANT.MAX_DROP is a bound on mIoU, and the training list has no labels; set it to 0")
    propagate(prepared, [context.example()])

    def mean_iou(network: nn.Module) -> float:
        return cast(float, judge(network).main)  # the pictures have labels

    def ranking() -> Sequence[str]:
        return context.ranking(prepared, plain)

    bound, bits = (floating, context.quant["MAX_DROP"]), BITS[context.quant["TARGET"]]
    kept = hold_drop(prepared, ranking, mean_iou, fake_quantized, bound, bits)
    return Outcome(asdict(kept), str(kept))


def hold_drop(
    prepared: fx.GraphModule,
    ranking: Callable[[], Sequence[str]],
    mean_iou: Callable[[nn.Module], float],
    rounded: Callable[[fx.GraphModule], nn.Module],
    bound: tuple[float, float],
    bits: int,
) -> MixedPrecision:
    """Keep layers of a settled graph in `bits` (in place) until the score drops by no more than the bound.

    `ranking` gives the layers, the most sensitive first; asked only where it is needed. `mean_iou` judges a network on
    held-out pictures; `rounded` makes stage calib of a graph. `bound`: float's mIoU there, and the drop allowed.
    UserError where all layers in `bits` aren't enough.
    """
    floating, allowed = bound
    measured: dict[tuple[str, ...], float] = {}

    def drop(layers: Sequence[str]) -> float:
        if tuple(layers) not in measured:
            graph = copy.deepcopy(prepared)
            keep_bits(graph, layers, bits)
            measured[tuple(layers)] = floating - mean_iou(rounded(graph))
        return measured[tuple(layers)]

    order = [] if drop([]) <= allowed else ranking()
    layers = fewest(order, lambda tried: drop(tried) <= allowed)
    if layers is None:
        raise UserError(
            f"QUANT.MAX_DROP {allowed} can't be held: with every layer in {bits} bits mIoU still drops by "
            f"{drop(order):.4f} on the held-out pictures; raise it, or improve the weights (QUANT.ADAROUND True)"
        )
    keep_bits(prepared, layers, bits)
    return MixedPrecision(tuple(layers), bits, share_of_macs(prepared, layers), drop(layers))


def fewest(ranking: Sequence[str], holds: Holds) -> list[str] | None:
    """A shortest head of `ranking` for which the bound holds, then without those that turn out not to be needed.

    None where the whole of it isn't enough.

    >>> fewest("abcdef", lambda kept: "b" in kept and "d" in kept)
    ['b', 'd']
    >>> fewest("ab", lambda kept: False)
    """
    count = _shortest(ranking, holds)
    if count is None:
        return None
    chosen = list(ranking[:count])
    for name in reversed(chosen[:-1]):
        without = [layer for layer in chosen if layer != name]
        if holds(without):
            chosen = without
    return chosen


def _shortest(ranking: Sequence[str], holds: Holds) -> int | None:
    """The length of the shortest head for which the bound holds, by doubling and halving."""
    if holds([]):
        return 0
    high = 1
    while not holds(ranking[:high]):
        if high >= len(ranking):
            return None
        high = min(2 * high, len(ranking))
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(ranking[:middle]) else (middle, high)
    return high


def share_of_macs(prepared: fx.GraphModule, layers: Sequence[str]) -> float:
    """The share of multiply-accumulates in convolutions and linear layers that read or give one of the tensors.

    `prepared` has shapes (`qat.graph.shapes.propagate`).
    """
    tensors = {node for node, _ in quantisers(prepared) if node.all_input_nodes[0].name in layers}
    total = wide = 0
    for node in prepared.graph.nodes:
        if isinstance(module_of(node), INT8_LAYERS):
            total += macs(node)
            wide += macs(node) * (not tensors.isdisjoint({*node.users, *node.all_input_nodes}))
    return wide / total
