"""How far each channel reaches on pictures, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx

from qat.backends.node_facts import ends_in_relu
from qat.backends.scales import quantisers
from qat.errors import UserError
from qat.graph.nodes import module_of
from qat.ptq.float_view import float_view

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
