"""Each layer's error, accumulated and isolated, summed over pictures; only sums are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qat.analysis.compare_layers import Seen, calib_beside_float, int8_beside_calib
from qat.analysis.error import Error, energy
from qat.analysis.grid_fit import above_best, least_rounding, weights_above_best
from qat.analysis.networks import Sample, Subject, channels
from qat.backends.quantiser import ActivationQuantiser
from qat.observers.observer import ActivationObserver


@dataclass
class LayerSums:
    """One layer's errors; `rounding`: the squared error that rounding its output alone adds to the isolated one."""

    accumulated: Error = field(default_factory=Error)
    isolated: Error = field(default_factory=Error)
    rounding: float = 0.0

    def add(self, seen: Seen) -> None:
        """Take in one picture."""
        self.accumulated.add(seen.reference, seen.accumulated)
        self.isolated.add(seen.reference, seen.isolated)
        self.rounding += energy(seen.isolated - seen.unrounded)


class LayerErrors:
    """The sums of all layers of a `subject`, and what float's tensors look like.

    `calib`: stage calib against float, `int8`: the kernels against calib, by layer. `observed`: float's tensors, by
    quantiser. `channels`: each layer's largest absolute value per channel, in float.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.images = 0
        self.calib = {name: LayerSums() for name in subject.on}
        self.int8 = {name: LayerSums() for name in subject.on if name in subject.twins.values()}
        self.observed = {quantiser: _observer(quantiser) for quantiser in set(subject.quantisers.values())}
        self.channels: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, image: Tensor) -> None:
        """Take in one picture (1, 3, H, W), normalised."""
        calib = self._watched(calib_beside_float(self.subject.on, self.subject.off, image))
        for seen in int8_beside_calib(self.subject.converted, self.subject.twins, calib, image):
            self.int8[seen.name].add(seen)
        self.images += 1

    def _watched(self, calib: Iterator[Seen]) -> Iterator[Seen]:
        for seen in calib:
            self.calib[seen.name].add(seen)
            if quantiser := self.subject.quantisers.get(seen.name):
                self.observed[quantiser].observe(seen.reference)
            now = channels(seen.reference)
            self.channels[seen.name] = torch.maximum(now, self.channels.get(seen.name, now))
            yield seen

    def above_best(self, name: str) -> dict[str, float | None]:
        """How many dB the layer's grids lie above the best: of its output, and of its weights; None without."""
        quantiser, weight = self.subject.quantisers.get(name), self.subject.on.layers[name].weight
        return {
            "activation": self._rounding(quantiser) if quantiser else None,
            "weights": weights_above_best(weight.floating[0], weight.calibrated[0], weight.module) if weight else None,
        }

    def _rounding(self, quantiser: ActivationQuantiser) -> float:
        """Layers that share a scale are judged together: no scale is best for each."""
        sharing = [self.calib[name] for name, other in self.subject.quantisers.items() if other is quantiser]
        noise, signal = sum(one.rounding for one in sharing), sum(one.isolated.signal for one in sharing)
        return above_best(noise, least_rounding(self.observed[quantiser]), signal)

    def rows(self) -> dict[str, Any]:
        """The content of layers.json."""
        calib = [self._row(name, sums) | {"above_best_db": self.above_best(name)} for name, sums in self.calib.items()]
        int8 = [self._row(name, self.int8.get(name)) for name in self.calib]
        pairs = {"calib": {"against": "float", "layers": calib}, "int_infer": {"against": "calib", "layers": int8}}
        return {"images": self.images, "pairs": pairs}

    def _row(self, name: str, sums: LayerSums | None) -> dict[str, Any]:
        quantiser = self.subject.quantisers.get(name)
        scale = float(quantiser.scale) if quantiser else None
        sums = sums or LayerSums()
        errors = {"accumulated": sums.accumulated.summary(scale), "isolated": sums.isolated.summary(scale)}
        return self.subject.facts(name) | errors


def _observer(quantiser: ActivationQuantiser) -> ActivationObserver:
    return ActivationObserver("mse", quantiser.observer.grid)


def measure(subject: Subject, samples: Iterable[Sample], advance: Callable[[int], None]) -> LayerErrors:
    """The layer errors over `samples`; `advance` is told of each picture done."""
    errors = LayerErrors(subject)
    for sample in samples:
        errors.add(sample.image)
        advance(1)
    return errors


def worst_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of layers.json's pair calib, those whose isolated error lies furthest above the best grid's first.

    Equal ones, such as layers that share a scale, by their isolated SQNR, and then in graph order.
    """
    return sorted(rows, key=lambda row: (-above(row), *_sqnr(row)))


def above(row: dict[str, Any]) -> float:
    """The worse of a layer's two grids, dB above the best."""
    return max((value for value in row["above_best_db"].values() if value is not None), default=0.0)


def _sqnr(row: dict[str, Any]) -> tuple[float, ...]:
    value = row["isolated"]["sqnr_db"]
    return () if value is None else (value,)
