"""Each layer's error, accumulated and isolated, and whether its grid fits; only sums over pictures are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from qat.analysis.compare_layers import LayerTensors, calib_beside_float
from qat.analysis.networks import Sample, Subject, channels
from qat.backends.quantiser import ActivationQuantiser
from qat.evaluation.ordered_sum import OrderedSum
from qat.observers.histogram import centres
from qat.observers.observer import ActivationObserver
from qat.observers.weights import fake_quantise, weight_scales

Summary = dict[str, float | None]


def energy(values: Tensor) -> float:
    """The sum of squares."""
    return float(torch.linalg.vector_norm(values)) ** 2


def largest(values: Tensor) -> float:
    """The largest absolute value; where channels lie last in memory, in that order, which needs no copy."""
    low, high = torch.aminmax(values.permute(0, 2, 3, 1) if values.dim() == 4 else values)
    return max(-float(low), float(high))


def decibels(ratio: float) -> float:
    """10 log10 of a ratio above 0.

    >>> decibels(100.0)
    20.0
    """
    return 10 * math.log10(ratio)


@dataclass
class Error:
    """Sums of squares of the reference, of what is compared with it and of their difference; the largest difference."""

    signal: OrderedSum = field(default_factory=OrderedSum)
    compared: OrderedSum = field(default_factory=OrderedSum)
    noise: OrderedSum = field(default_factory=OrderedSum)
    largest: float = 0.0

    def add(self, reference: Tensor, tensor: Tensor) -> None:
        """Take in a pair of one shape."""
        difference = tensor - reference
        self.signal.add(energy(reference))
        self.compared.add(energy(tensor))
        self.noise.add(energy(difference))
        self.largest = max(self.largest, largest(difference))

    def merge(self, other: Error) -> None:
        """Add the pairs of other pictures, which come after these."""
        self.signal.merge(other.signal)
        self.compared.merge(other.compared)
        self.noise.merge(other.noise)
        self.largest = max(self.largest, other.largest)

    def summary(self, scale: float | None) -> Summary:
        """SQNR in dB, relative L2, cosine, largest error in units of `scale`; None for what can't be said.

        SQNR is None where both are equal (then relative_l2 is 0) or the reference is 0 throughout.
        """
        signal, compared, noise = self.signal.value, self.compared.value, self.noise.value
        measurable = signal > 0
        return {
            "sqnr_db": decibels(signal / noise) if measurable and noise > 0 else None,
            "relative_l2": math.sqrt(noise / signal) if measurable else None,
            "cosine": _cosine(signal, compared, noise) if measurable and compared > 0 else None,
            "max_steps": self.largest / scale if scale else None,
        }


def _cosine(signal: float, compared: float, noise: float) -> float:
    """From the three sums: 2ab = a² + b² - (a - b)². Exact to second order in the sums' own errors."""
    return (signal + compared - noise) / (2 * math.sqrt(signal * compared))


FLOOR = 1e-10  # of the signal's energy: below it an error is none


def above_best(noise: float, best: float, signal: float) -> float:
    """How many dB `noise` lies above the best possible, 0 at least; all three are sums of squares.

    >>> above_best(16.0, 1.0, 1e3)
    12.041199826559248
    """
    floor = FLOOR * signal or 1.0
    return max(0.0, decibels(max(noise, floor) / max(best, floor)))


def least_rounding(observer: ActivationObserver) -> float:
    """The squared error of rounding everything that `observer`, of method mse, has seen to the best grid."""
    grid, counts = observer.grid, observer.counts.cpu()
    scale, zero_point = grid.qparams(*observer.range())
    values = centres(int(observer.exponent))
    levels = ((values / scale).round() + zero_point).clamp(grid.low, grid.high)
    return float(((levels - zero_point) * scale - values).square() @ counts)


def weights_above_best(floating: Tensor, calibrated: Tensor, module: nn.Module) -> float:
    """How many dB the squared error of `calibrated` weights lies above that of the best scale of each channel."""
    rows = floating.view(1, -1) if isinstance(module, nn.ConvTranspose2d) else floating
    best = fake_quantise(floating, weight_scales(rows, "mse"))
    noise, least = (energy(weight - floating) for weight in (calibrated, best))
    return above_best(noise, least, energy(floating))


@dataclass
class LayerSums:
    """One layer's errors; `rounding`: the squared error that rounding its output alone adds to the isolated one."""

    accumulated: Error = field(default_factory=Error)
    isolated: Error = field(default_factory=Error)
    rounding: OrderedSum = field(default_factory=OrderedSum)

    def add(self, tensors: LayerTensors) -> None:
        """Take in one picture."""
        self.accumulated.add(tensors.reference, tensors.accumulated)
        self.isolated.add(tensors.reference, tensors.isolated)
        self.rounding.add(energy(tensors.isolated - tensors.unrounded))

    def merge(self, other: LayerSums) -> None:
        """Add other pictures, which come after these."""
        self.accumulated.merge(other.accumulated)
        self.isolated.merge(other.isolated)
        self.rounding.merge(other.rounding)


@dataclass(frozen=True)
class Seen:
    """What `LayerErrors` took from its pictures, apart from the networks; `observers` in the order of the layers."""

    images: int
    calib: dict[str, LayerSums]
    int8: dict[str, LayerSums]
    observers: list[ActivationObserver]
    channels: dict[str, Tensor]


class LayerErrors:
    """The sums of all layers of a `subject`, and what float's tensors look like.

    `calib`: stage calib against float, `int8`: the kernels against calib, by layer. `observers`: of float's tensors, by
    quantiser. `channels`: each layer's largest absolute value per channel, in float.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.images = 0
        self.calib = {name: LayerSums() for name in subject.on}
        self.int8 = {name: LayerSums() for name in subject.on if name in subject.int8_layers}
        self.observers = {quantiser: _observer(quantiser) for quantiser in subject.quantisers.values()}
        self.channels: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, image: Tensor) -> None:
        """Take in one picture (1, 3, H, W), normalised."""
        calib = self._watched(calib_beside_float(self.subject.on, self.subject.off, image))
        for tensors in self.subject.int8_beside(calib, image):
            self.int8[tensors.name].add(tensors)
        self.images += 1

    @property
    def seen(self) -> Seen:
        """What it took from its pictures, to be merged elsewhere."""
        return Seen(self.images, self.calib, self.int8, list(self.observers.values()), self.channels)

    def merge(self, other: Seen) -> None:
        """Add other pictures, which come after these."""
        self.images += other.images
        for own, theirs in ((self.calib, other.calib), (self.int8, other.int8)):
            for name, sums in theirs.items():
                own[name].merge(sums)
        for observer, another in zip(self.observers.values(), other.observers, strict=True):
            observer.merge(another)
        for name, spans in other.channels.items():
            self.channels[name] = torch.maximum(self.channels.get(name, spans), spans)

    def _watched(self, calib: Iterator[LayerTensors]) -> Iterator[LayerTensors]:
        for tensors in calib:
            name, reference = tensors.name, tensors.reference
            self.calib[name].add(tensors)
            if quantiser := self.subject.quantisers.get(name):
                self.observers[quantiser].observe(reference)
            spans = channels(reference)
            self.channels[name] = torch.maximum(spans, self.channels.get(name, spans))
            yield tensors

    def above_best(self, name: str) -> dict[str, float | None]:
        """How many dB the layer's grids lie above the best: of its output, and of its weights; None without."""
        quantiser, weight = self.subject.quantisers.get(name), self.subject.on.layers[name].weight
        return {
            "activation": self._rounding(quantiser) if quantiser else None,
            "weights": weights_above_best(weight.floating[0], weight.calibrated[0], weight.module) if weight else None,
        }

    def _rounding(self, quantiser: ActivationQuantiser) -> float:
        """Layers that share a scale are judged together: no scale is best for each."""
        sharing = [self.calib[name] for name, each in self.subject.quantisers.items() if each is quantiser]
        noise, signal = (sum(one.rounding.value for one in sharing), sum(one.isolated.signal.value for one in sharing))
        return above_best(noise, least_rounding(self.observers[quantiser]), signal)

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
    """The layer errors over `samples`; `advance` is called after each picture."""
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
