"""The factor of each channel, which makes the channels of every tensor reach equally far.

An activation's grid is as wide as its widest channel needs, so the noise of rounding is the same in every channel: a
channel that reaches half as far loses a bit. With ranges r of a channel in all the tensors of its set, and weights g
that read it, s = g**(1 - STRENGTH) / r**STRENGTH in geometric means: SmoothQuant's compromise between activations and
weights (Xiao et al. 2023, arXiv:2211.10438), s = 1 / r where STRENGTH is 1. Rows of a convolution have scales of
their own, so nothing is lost where a channel is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from qat.backends.fx import float_view
from qat.backends.node_facts import ends_in_relu
from qat.backends.scales import quantisers
from qat.errors import UserError
from qat.graph.layers import affine_of
from qat.graph.nodes import module_of
from qat.ptq.equalise.groups import Groups

QUIET = 8.0
Ranges = dict[str, Tensor]  # node name -> (channels,) float64


def channel_ranges(prepared: fx.GraphModule, batches: Iterable[Tensor]) -> Ranges:
    """Each rounded activation's and each layer's range by channel: the fourth root of the mean of x to the fourth.

    Between the root mean square, which a single outlier hardly moves, and the maximum, which is nothing but outliers.
    Behind a ReLU at least 1 / QUIET of the range before it: a channel that these pictures hardly use may be used by
    others. `batches` (N, 3, H, W): a few calibration pictures. `prepared` stays as it is. UserError for no batches.
    """
    watch = _Watch(float_view(prepared), {node.all_input_nodes[0].name for node, _ in quantisers(prepared)})
    with torch.no_grad():
        for batch in batches:
            watch.run(batch)
            watch.batches += 1
    if not watch.batches:
        raise UserError("equalisation got no images; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    return {name: (total / watch.batches) ** 0.25 for name, total in watch.sums.items()}


class _Watch(fx.Interpreter):
    """Runs a graph and adds up each watched tensor's mean fourth power by channel."""

    def __init__(self, graph: fx.GraphModule, names: set[str]) -> None:
        super().__init__(graph)
        self.names, self.sums, self.batches = names, dict[str, Tensor](), 0

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.dim() > 1 and (n.name in self.names or hasattr(module_of(n), "weight")):
            before = module_of(n)(*self.fetch_args_kwargs_from_env(n)[0]) if ends_in_relu(n) else value  # type: ignore[misc]
            seen = torch.maximum(_fourth(value), _fourth(before / QUIET))
            self.sums[n.name] = self.sums.get(n.name, 0) + seen
        return value


def _fourth(x: Tensor) -> Tensor:
    """The mean fourth power by channel, float64."""
    return x.square().square().transpose(0, 1).flatten(1).mean(1, dtype=torch.float64)


STRENGTH = 0.85
LIMIT = 10.0  # log2 of a factor, against the median of its group


def choose_factors(graph: fx.GraphModule, groups: Groups, ranges: Ranges) -> Tensor:
    """A factor (len(groups.channels),) float64 for each channel; 1 where it is fixed or nothing is known of it."""
    count = len(groups.channels)
    root = groups.channels.roots(torch.arange(count))
    rounded = {node.all_input_nodes[0] for node, _ in quantisers(graph)}
    reach = _mean_log(root, [(groups.of[node], ranges[node.name]) for node in rounded if node.name in ranges])
    layers = [(str(node.target), node) for node in graph.graph.nodes if str(node.target) in groups.layers]
    pull = _mean_log(root, [(groups.layers[name].read, _columns(node, ranges)) for name, node in layers])
    fixed = torch.tensor([groups.channels.reason(int(channel)) is not None for channel in root])
    families, factors = groups.families(), torch.zeros(count, dtype=torch.float64)
    for family in families[~fixed].unique():
        members = (families == family) & ~fixed
        factors[members] = _within(reach[members], pull[members])
    return factors.exp2()


def _mean_log(root: Tensor, values: list[tuple[Tensor, Tensor]]) -> Tensor:
    """log2 of the geometric mean by set; values of 0 don't count, NaN where there are none."""
    total, count = torch.zeros(2, len(root), dtype=torch.float64)
    for ids, value in values:
        known = value > 0
        total.index_add_(0, root[ids[known]], value[known].log2())
        count.index_add_(0, root[ids[known]], torch.ones_like(value[known]))
    mean: Tensor = total / count
    return mean[root]


def _within(reach: Tensor, pull: Tensor) -> Tensor:
    """log2 of the factors in one group, with median 0; where one side is unknown, the other decides."""
    typical = (reach + pull).nanmedian()
    reach = torch.where(reach.isnan(), typical - pull, reach)
    pull = torch.where(pull.isnan(), typical - reach, pull)
    factors = (1 - STRENGTH) * pull - STRENGTH * reach
    return (factors - factors.nanmedian()).clamp(-LIMIT, LIMIT).nan_to_num(0.0)


def _columns(node: fx.Node, ranges: Ranges) -> Tensor:
    """How much a layer makes of each channel that it reads (channels,) float64, in units of its outputs."""
    module = cast(nn.Module, module_of(node))
    weight = cast(Tensor, module.weight).detach().double().abs()
    if isinstance(module, nn.BatchNorm2d):
        gain = affine_of(module)[0].abs()
        return torch.where(ranges[node.name] > 0, gain / ranges[node.name], 0.0)
    rows = weight.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else weight
    rows = rows.flatten(2) if rows.dim() > 2 else rows[..., None]
    rows = rows.amax(2) / rows.amax((1, 2)).clamp_min(1e-30)[:, None]
    return rows.view(getattr(module, "groups", 1), -1, rows.shape[1]).amax(1).flatten()
