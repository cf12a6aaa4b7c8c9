"""Bias correction: rounding moves the mean of a layer's outputs; its bias takes that back.

Nagel et al. 2019 (arXiv:1906.04721), section 4.2, measured on calibration pictures. Layers are corrected while the
pictures run: each sees inputs that the corrections so far have passed through. Nothing is kept but means by channel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, fx, nn

from qat.backends.fx import fake_quantized
from qat.errors import UserError
from qat.graph.ops import INT8_LAYERS


@dataclass(frozen=True)
class Correction:
    """What a layer's bias (module `layer`) was moved by: the largest |change|, in the units of its outputs."""

    layer: str
    largest: float


@dataclass(frozen=True)
class Report:
    """The corrected layers in the order of their execution, and (module, reason) for those left alone."""

    corrected: tuple[Correction, ...]
    skipped: tuple[tuple[str, str], ...]


def correct_biases(
    prepared: fx.GraphModule,
    floating: nn.Module,
    batches: Callable[[], Iterable[Tensor]],
    after_batch: Callable[[int], None] | None = None,
) -> Report:
    """Correct the biases of the settled `prepared` in place.

    `floating`: the network that it should agree with, layers under the same names (`float_view` of the graph before its
    weights were rounded). `batches()`: calibration pictures (N, 3, H, W). `after_batch` is called with the number of
    batches done. UserError for no batches.
    """
    plain, rounded, done = copy.deepcopy(floating), fake_quantized(prepared), 0
    means = _Means(plain, rounded)
    with torch.no_grad():
        for done, batch in enumerate(batches(), 1):
            plain(batch)
            rounded(batch)
            if after_batch:
                after_batch(done)
    if not done:
        raise UserError("bias correction got no images; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    for name, correction in means.corrections.items():
        cast(Tensor, prepared.get_submodule(name).bias).data += correction
    corrected = [Correction(name, float(change.abs().max())) for name, change in means.corrections.items()]
    return Report(tuple(corrected), tuple(means.skipped))


class _Means:
    """Hooks that note the float layers' means and move the rounded layers' outputs towards them, batch by batch."""

    def __init__(self, floating: nn.Module, rounded: nn.Module) -> None:
        self.wanted: dict[str, list[Tensor]] = {}
        self.calls: dict[str, int] = {}
        self.corrections: dict[str, Tensor] = {}
        self.skipped: list[tuple[str, str]] = []
        for name, layer in rounded.named_modules():
            if isinstance(layer, INT8_LAYERS) and layer.bias is None:
                self.skipped.append((name, "it has no bias"))
            elif isinstance(layer, INT8_LAYERS):
                floating.get_submodule(name).register_forward_hook(partial(self._note, name))
                layer.register_forward_hook(partial(self._correct, name))

    def _note(self, name: str, layer: nn.Module, given: object, output: Tensor) -> None:
        self.wanted.setdefault(name, []).append(_mean(output))

    def _correct(self, name: str, layer: nn.Module, given: object, output: Tensor) -> Tensor:
        """The correction is a mean in which later batches, with better inputs, weigh more: t-th batch 2 / (t + 1)."""
        calls = self.calls[name] = self.calls.get(name, 0) + 1
        wanted = self.wanted[name].pop(0) - _mean(output)
        correction = torch.lerp(self.corrections.get(name, torch.zeros_like(wanted)), wanted, 2 / (calls + 1))
        self.corrections[name] = correction
        return output + correction.view(-1, *[1] * (output.dim() - 2))


def _mean(output: Tensor) -> Tensor:
    """The mean by channel (axis 1) of a layer's output."""
    return output.transpose(0, 1).flatten(1).mean(1)
