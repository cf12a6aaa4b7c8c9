"""The cost of each layer, alone quantised and alone float, by mIoU and by the distance from float.

A network whose one layer differs equals the unchanged one up to that layer. So each picture runs once, and at every
layer a fork finishes the run with that layer switched: that is half of the work, in the memory of one run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, fx

from qat.analysis.networks import Sample, Subject
from qat.analysis.toggle import Switches, ToggledLayer, switched
from qat.evaluation.confusion import ConfusionMatrix
from qat.evaluation.distance import Distance
from qat.evaluation.upsample import upsample_argmax
from qat.graph.node_runner import NodeRunner

ALONE = ("alone_quantised", "alone_float")
GROUPS: Mapping[str, tuple[bool, bool]] = {"all": (True, True), "weights": (True, False), "activations": (False, True)}
"""Name -> whether weights, and whether activations are rounded."""


@dataclass
class Tally:
    """How near one variant of the network is to float, summed over pictures."""

    matrix: ConfusionMatrix
    distance: Distance = field(default_factory=Distance)
    labelled: bool = False

    def summary(self) -> dict[str, float | None]:
        """mIoU (None without labels), logit SQNR in dB (None where all is equal), share of pixels changed."""
        sqnr = self.distance.logit_sqnr
        return {
            "mean_iou": self.matrix.scores().mean_iou if self.labelled else None,
            "sqnr_db": sqnr if sqnr is not None and math.isfinite(sqnr) else None,
            "pixels_changed": self.distance.pixels_changed,
        }


class Sensitivity:
    """The tallies of every variant. `classes`: how many; `names`: the layers to look at, all by default.

    Raises UserError for a name that isn't a layer.
    """

    def __init__(self, subject: Subject, classes: int, align_corners: bool, names: Sequence[str] = ()) -> None:
        self.subject, self.align_corners = subject, align_corners
        chosen = {subject.on[name].name for name in names or subject.on}
        self.names = [name for name in subject.on if name in chosen]
        self.images = 0
        self.floating = Tally(ConfusionMatrix(classes))
        self.groups = {name: Tally(ConfusionMatrix(classes)) for name in GROUPS}
        self.layers = {name: {kind: Tally(ConfusionMatrix(classes)) for kind in ALONE} for name in self.names}

    @torch.no_grad()
    def add(self, sample: Sample, advance: Callable[[int], None]) -> None:
        """Take in one picture; `advance` is told of each layer done."""
        on, off = self.subject.on, self.subject.off
        logits = off.graph(sample.image)
        reference = (logits, upsample_argmax(logits, sample.size, self.align_corners, sample.canvas))
        self._count(self.floating, logits, reference, sample)
        for name, (weights, activations) in GROUPS.items():
            with switched(on, weights, activations):
                self._count(self.groups[name], on.graph(sample.image), reference, sample)
        for name, result in forks(off, sample.image, self.names, True):
            self._count(self.layers[name]["alone_quantised"], result, reference, sample)
            advance(1)
        for name, result in forks(on, sample.image, self.names, False):
            self._count(self.layers[name]["alone_float"], result, reference, sample)
            advance(1)
        self.images += 1

    def _count(self, tally: Tally, logits: Tensor, reference: tuple[Tensor, Tensor], sample: Sample) -> None:
        classes = upsample_argmax(logits, sample.size, self.align_corners, sample.canvas)
        tally.distance.update(logits, reference[0], sample.size, sample.canvas)
        tally.distance.update_classes(classes, reference[1])
        if sample.label is not None:
            tally.matrix.update(classes, sample.label)
            tally.labelled = True

    def rows(self, seconds: float) -> dict[str, Any]:
        """The content of sensitivity.json; `seconds`: what it took."""
        layers = [
            {key: fact for key, fact in self.subject.facts(name).items() if key in ("name", "module", "macs")}
            | {kind: tally.summary() for kind, tally in tallies.items()}
            for name, tallies in self.layers.items()
        ]
        groups = {name: tally.summary() for name, tally in self.groups.items()}
        head = {"images": self.images, "seconds": seconds, "float": self.floating.summary(), "groups": groups}
        return head | {"layers": layers, "ranks": {kind: ranks(layers, kind) for kind in ALONE}}


def forks(switches: Switches, image: Tensor, names: Sequence[str], on: bool) -> Iterator[tuple[str, Tensor]]:
    """(layer, logits) of the network with that layer alone switched `on` or off, for each of `names`."""
    nodes = list(switches.graph.graph.nodes)
    run, fork = NodeRunner(switches.graph, image), NodeRunner(switches.graph, image)
    for index, node in enumerate(nodes):
        for name in names:
            if switches[name].start is node:
                yield name, _forked(fork, nodes[index:], run, switches[name], on)
        run.step(node)
        run.free(node)


def _forked(fork: NodeRunner, nodes: list[fx.Node], run: NodeRunner, layer: ToggledLayer, on: bool) -> Tensor:
    layer.set(on)
    try:
        return cast(Tensor, fork.finish(nodes, run.env))
    finally:
        layer.set(not on)


@torch.no_grad()
def most_sensitive(prepared: fx.GraphModule, plain: fx.GraphModule, images: Iterable[Tensor]) -> list[str]:
    """The layers whose outputs are rounded; first the one that, alone in float, leaves the least error of the logits.

    `prepared`: a settled graph; `plain`: the same in float (`qat.ptq.float_view`, taken before weights were changed).
    `images`: each (1, 3, H, W), normalised.
    """
    switches = Switches(prepared, plain)
    names = [name for name, layer in switches.layers.items() if layer.activation]
    noise = dict.fromkeys(names, 0.0)
    for image in images:
        reference = plain(image)
        for name, logits in forks(switches, image, names, False):
            noise[name] += float((logits - reference).square().sum(dtype=torch.float64))
    return sorted(names, key=lambda name: noise[name])


def ranks(layers: Sequence[Mapping[str, Any]], kind: str) -> dict[str, list[str] | None]:
    """Layers' names, the costliest first, by SQNR and by mIoU (None without labels).

    Alone quantised, the layer that leaves least is the costliest; alone float, the layer that gives most back.
    """
    return {measure: _ranked(layers, kind, measure) for measure in ("sqnr_db", "mean_iou")}


def _ranked(layers: Sequence[Mapping[str, Any]], kind: str, measure: str) -> list[str] | None:
    values = {layer["name"]: layer[kind][measure] for layer in layers}
    if measure == "mean_iou" and None in values.values():
        return None
    finite = {name: math.inf if value is None else value for name, value in values.items()}  # None: equal to float
    return sorted(finite, key=lambda name: finite[name], reverse=kind == "alone_float")
