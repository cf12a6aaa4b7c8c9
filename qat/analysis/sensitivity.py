"""The cost of each layer, alone quantised and alone float, by the task's score and by the distance from float.

A network whose one layer differs equals the unchanged one up to that layer. So each picture runs once, and at every
layer a fork finishes the run with that layer switched: that is half of the work, in the memory of one run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx

from qat.analysis.networks import Sample, Subject
from qat.analysis.toggle import Switches, ToggledLayer, switched
from qat.evaluation.outputs import Outputs, several
from qat.evaluation.scorer import Measure
from qat.evaluation.tasks import SEGMENTATION, Frame, Prediction, Task, task_in
from qat.graph.node_runner import NodeRunner

ALONE = ("alone_quantised", "alone_float")
GROUPS: Mapping[str, tuple[bool, bool]] = {"all": (True, True), "weights": (True, False), "activations": (False, True)}
"""Name -> whether weights, and whether activations are rounded."""


def summary(measure: Measure) -> dict[str, float | None]:
    """The score (None without labels), SQNR in dB (None where all is equal), the share of predictions that changed."""
    sqnr, task = measure.distance.logit_sqnr, measure.task
    return {
        task.score: measure.tally.main,
        "sqnr_db": sqnr if sqnr is not None and math.isfinite(sqnr) else None,
        task.changed: measure.tally.distances().get(task.changed),
    }


@dataclass(frozen=True)
class Seen:
    """What `Sensitivity` took from its pictures, apart from the networks."""

    images: int
    floating: Measure
    groups: dict[str, Measure]
    layers: dict[str, dict[str, Measure]]


class Sensitivity:
    """The measures of every variant. `classes`: how many; `names`: the layers to look at, all by default.

    Raises UserError for a name that isn't a layer.
    """

    def __init__(
        self,
        subject: Subject,
        classes: int,
        align_corners: bool,
        names: Sequence[str] = (),
        task: Task = SEGMENTATION,
    ) -> None:
        self.subject, self.align_corners, self.task = subject, align_corners, task
        chosen = {subject.on[name].name for name in names or subject.on}
        self.names = [name for name in subject.on if name in chosen]
        self.images = 0
        self.floating = Measure(task, classes)
        self.groups = {name: Measure(task, classes) for name in GROUPS}
        self.layers = {name: {kind: Measure(task, classes) for kind in ALONE} for name in self.names}

    @torch.no_grad()
    def add(self, sample: Sample, advance: Callable[[int], None]) -> None:
        """Take in one picture; `advance` is told of each layer done."""
        on, off = self.subject.on, self.subject.off
        outputs = off.graph(sample.image)
        reference = (outputs, self.task.predict(outputs, self._frame(sample)))
        self._count(self.floating, outputs, reference, sample)
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

    @property
    def seen(self) -> Seen:
        """What it took from its pictures, to be merged elsewhere."""
        return Seen(self.images, self.floating, self.groups, self.layers)

    def merge(self, other: Seen) -> None:
        """Add other pictures, which come after these."""
        self.images += other.images
        self.floating.merge(other.floating)
        for name, measure in other.groups.items():
            self.groups[name].merge(measure)
        for name, kinds in other.layers.items():
            for kind, measure in kinds.items():
                self.layers[name][kind].merge(measure)

    def _frame(self, sample: Sample) -> Frame:
        return Frame(sample.size, sample.canvas, self.align_corners, sample.sides, sample.pictures)

    def _count(self, measure: Measure, outputs: Outputs, reference: tuple[Outputs, Prediction], sample: Sample) -> None:
        frame = self._frame(sample)
        prediction = self.task.predict(outputs, frame)
        measure.compare(outputs, prediction, *reference, frame)
        if sample.label is not None:
            measure.tally.score(prediction, sample.label)

    def rows(self, seconds: float) -> dict[str, Any]:
        """The content of sensitivity.json; `seconds`: what it took."""
        layers = [
            {key: fact for key, fact in self.subject.facts(name).items() if key in ("name", "module", "macs")}
            | {kind: summary(measure) for kind, measure in kinds.items()}
            for name, kinds in self.layers.items()
        ]
        groups = {name: summary(measure) for name, measure in self.groups.items()}
        head = {"images": self.images, "seconds": seconds, "float": summary(self.floating), "groups": groups}
        return head | {"layers": layers, "ranks": {kind: ranks(layers, kind) for kind in ALONE}}


def forks(switches: Switches, image: Tensor, names: Sequence[str], on: bool) -> Iterator[tuple[str, Outputs]]:
    """(layer, outputs) of the network with that layer alone switched `on` or off, for each of `names`."""
    nodes = list(switches.graph.graph.nodes)
    run, fork = NodeRunner(switches.graph, image), NodeRunner(switches.graph, image)
    for index, node in enumerate(nodes):
        for name in names:
            if switches[name].start is node:
                yield name, _forked(fork, nodes[index:], run, switches[name], on)
        run.step(node)
        run.free(node)


def _forked(fork: NodeRunner, nodes: list[fx.Node], run: NodeRunner, layer: ToggledLayer, on: bool) -> Outputs:
    layer.set(on)
    try:
        return cast(Outputs, fork.finish(nodes, run.env))
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
        reference = several(plain(image))
        for name, outputs in forks(switches, image, names, False):
            for one, expected in zip(several(outputs), reference, strict=True):
                noise[name] += float((one - expected).square().sum(dtype=torch.float64))
    return sorted(names, key=lambda name: noise[name])


def ranks(layers: Sequence[Mapping[str, Any]], kind: str) -> dict[str, list[str] | None]:
    """Layers' names, the costliest first, by SQNR and by the task's score, such as mIoU (None without labels).

    Alone quantised, the layer that leaves least is the costliest; alone float, the layer that gives most back.
    """
    score = task_in(layers[0][kind] if layers else {}).score
    return {figure: _ranked(layers, kind, figure) for figure in ("sqnr_db", score)}


def _ranked(layers: Sequence[Mapping[str, Any]], kind: str, figure: str) -> list[str] | None:
    values = {layer["name"]: layer[kind][figure] for layer in layers}
    if figure != "sqnr_db" and None in values.values():
        return None
    finite = {name: math.inf if value is None else value for name, value in values.items()}  # None: equal to float
    return sorted(finite, key=lambda name: finite[name], reverse=kind == "alone_float")
