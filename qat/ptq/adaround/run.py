"""Layer by layer through the network: each is rounded for what the quantised layers before it give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import reduce
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.backends.fx import fake_quantized
from qat.backends.scales import in_float
from qat.errors import UserError
from qat.graph.nodes import module_of
from qat.ptq import resume
from qat.ptq.adaround.layer import round_layer
from qat.ptq.adaround.layerwise import Walk, most_bytes
from qat.ptq.adaround.moments import Moments, measure
from qat.ptq.adaround.options import AdaRoundOptions, LayerReport
from qat.ptq.float_view import float_view


@torch.no_grad()
def adaround(
    prepared: fx.GraphModule,
    batches: Callable[[], Iterable[Tensor]],
    options: AdaRoundOptions,
    progress: Callable[[int, int, str], None],
    state: Path,
) -> list[LayerReport]:
    """Round every convolution and linear layer of a settled graph in place, and fit its bias; scales stay.

    `batches` gives pictures (N, 3, H, W), the same each time; as many are used as `options.memory` holds. A transposed
    convolution keeps its nearest levels. `progress` takes (layers done, of how many, the layer's report). `state`:
    where a run that was killed goes on; it then ends exactly as one that wasn't. UserError for no pictures.
    """
    floating, quantised = float_view(prepared), fake_quantized(prepared)
    key, pictures = resume.fingerprint(prepared, options), _pictures(batches, (floating, quantised), options.memory)
    done: list[dict[str, Any]] = resume.load(state, key) or []
    walks = Walk(quantised, pictures), Walk(floating, pictures)
    layers, twins = layers_of(prepared), layers_of(quantised)
    for index, (name, layer) in enumerate(layers.items()):
        inputs = [walk.inputs_of(name) for walk in walks]
        if index == len(done):
            moments = _measured(layer, inputs, options.samples, (options.seed << 32) + index)
            report = round_layer(layer, name, moments, options)
            done.append({"report": asdict(report), "state": layer.state_dict()})
            resume.save(state, key, done)
        for each in (layer, twins[name]):
            each.load_state_dict(done[index]["state"])
        progress(index + 1, len(layers), str(LayerReport(**done[index]["report"])))
    state.unlink(missing_ok=True)
    return [LayerReport(**one["report"]) for one in done]


def layers_of(graph: fx.GraphModule) -> dict[str, nn.Module]:
    """The layers that are rounded here, by their node's name, in graph order; a layer called twice once."""
    found: dict[nn.Module, str] = {}
    for node in graph.graph.nodes:
        layer = module_of(node)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and not in_float(layer):
            found.setdefault(layer, node.name)
    return {name: layer for layer, name in found.items()}


def _pictures(batches: Callable[[], Iterable[Tensor]], graphs: Iterable[fx.GraphModule], memory: int) -> list[Tensor]:
    """As many batches as the memory holds."""
    first = next(iter(batches()), None)
    if first is None:
        raise UserError("rounding got no pictures; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    count = memory // sum(most_bytes(graph, first) for graph in graphs)
    return list(islice(batches(), max(1, count)))


def _measured(layer: nn.Module, inputs: list[list[Tensor]], samples: int, seed: int) -> Moments:
    """The moments over all pictures, `samples` positions in all."""
    generator = torch.Generator().manual_seed(seed)
    each = -(-samples // len(inputs[0]))
    pairs = zip(*inputs, strict=True)
    return reduce(add, (measure(layer, ours, theirs, each, generator) for ours, theirs in pairs)).moments(layer)
