"""A pass layer by layer: each is rounded for the inputs that the quantised layers before it give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from qat.backends.fx import fake_quantized, float_view
from qat.backends.scales import freeze_scales
from qat.backends.weight_scales import in_float
from qat.distributed import ALONE, Group
from qat.errors import UserError
from qat.graph.node_runner import BatchesRunner, most_bytes
from qat.graph.nodes import module_of
from qat.ptq import resume
from qat.ptq.adaround.layer import AdaRoundOptions, LayerReport, on_levels, round_layer
from qat.ptq.adaround.moments import BATCHES, Share, measured
from qat.ptq.context import Context, Inputs, Outcome, Progress, repeatable, silent

_OPTIONS = AdaRoundOptions()
SEEDS = 2481  # layers' numbers apart: odd, so that all of the 12 bits that count are taken


def tune(prepared: fx.GraphModule, context: Context) -> Outcome:
    """What the method's row runs, on the calibration's pictures; `layers` in methods.json has each layer's errors."""
    group = context.share("ADAROUND", prepared)
    state = context.folder / "adaround.ckpt" if group.main else None
    layers = adaround(prepared, context.batches, progress=context.titled("adaround"), state=state, group=group)
    return Outcome({"layers": [asdict(layer) for layer in layers]})


@torch.no_grad()
def adaround(
    prepared: fx.GraphModule,
    inputs: Inputs,
    options: AdaRoundOptions = _OPTIONS,
    progress: Progress = silent,
    state: Path | None = None,
    group: Group = ALONE,
) -> list[LayerReport]:
    """Round each layer's weights so that its output, not each weight, is nearest to float's; scales stay.

    Convolutions and linear layers are rounded and their biases fitted, in the order in which they run. A transposed
    convolution keeps its nearest levels.

    Args:
        prepared: a calibrated graph; open scales are frozen first. Its weights and biases change, in place.
        inputs: a list of batches (N, 3, H, W), or a function that gives them, the same each time; as many are used as
            `options.memory` holds.
        options: samples, sweeps, damping, memory.
        progress: takes layers done, how many there are, the layer's report.
        state: a file where a run that was killed goes on; it then ends exactly as one that wasn't.
        group: the processes that share the pictures, each of which calls this with the same graph and pictures.

    Returns:
        Each layer's signal-to-noise ratio (dB) against float before and after.

    Raises:
        UserError: for no pictures, or an iterator, which ends after the first time.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)).eval()
        >>> pictures = [torch.randn(1, 3, 16, 16) for _ in range(2)]
        >>> prepared = qat.prepare(qat.rewrite(model, pictures[0], "x86"))
        >>> _ = qat.calibrate(prepared, pictures)
        >>> [layer.rounded_db >= layer.nearest_db for layer in qat.adaround(prepared, pictures)]
        [True, True]
    """
    batches = repeatable(inputs)
    freeze_scales(prepared)
    floating, quantised = float_view(prepared), fake_quantized(prepared)
    layers = layers_of(prepared)
    key = resume.fingerprint(prepared, options, *layers)
    pictures, share = _shared(group, _pictures(batches, (floating, quantised), options.memory))
    done: list[dict[str, Any]] = group.spread(resume.load(state, key) or [])
    runners = BatchesRunner(quantised, pictures), BatchesRunner(floating, pictures)
    twins = {node.name: module_of(node) for node in quantised.graph.nodes}
    for index, (name, layer) in enumerate(layers.items()):
        layer_inputs = [(x, y) for x, y in zip(*(runner.inputs_of(name) for runner in runners), strict=True)]
        if index == len(done):
            moments = measured(layer, layer_inputs, options.samples, options.seed * SEEDS + index, share)
            report = round_layer(layer, name, moments, options) if moments else None
            done.append(group.spread({"report": report and asdict(report), "state": layer.state_dict()}))
            resume.save(state, key, done)
        for each in (layer, cast(nn.Module, twins[name])):
            each.load_state_dict(done[index]["state"])
        progress(index + 1, len(layers), str(LayerReport(**done[index]["report"])))
    resume.finish(state)
    return [LayerReport(**one["report"]) for one in done]


def layers_of(graph: fx.GraphModule) -> dict[str, nn.Module]:
    """The layers that are rounded here, by their node's name, in graph order; a layer called twice once.

    Those whose weights lie on levels already, such as an average's, have nothing to round.
    """
    names: dict[nn.Module, str] = {}
    for node in graph.graph.nodes:
        layer = module_of(node)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and not in_float(layer) and not on_levels(layer):
            names.setdefault(layer, node.name)
    return {name: layer for layer, name in names.items()}


def _shared(group: Group, pictures: list[Tensor]) -> tuple[list[Tensor], Share]:
    """This process's pictures: whole blocks, which may be none."""
    own = group.share(range(0, len(pictures), BATCHES))
    first = own[0] if own else 0
    return pictures[first : first + BATCHES * len(own)], Share(group, first, len(pictures))


def _pictures(batches: Callable[[], Iterable[Tensor]], graphs: Iterable[fx.GraphModule], memory: int) -> list[Tensor]:
    """As many batches as the memory holds."""
    first = next(iter(batches()), None)
    if first is None:
        raise UserError("rounding got no pictures; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    count = memory // sum(most_bytes(graph, first) for graph in graphs)
    return list(islice(batches(), max(1, count)))
