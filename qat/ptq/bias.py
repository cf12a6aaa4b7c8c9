"""Bias correction: rounding moves the mean of a layer's outputs, and a change of its bias moves it back.

Nagel et al. 2019 (arXiv:1906.04721), section 4.2, measured on calibration pictures. Layers are corrected while the
pictures run: each sees inputs that the corrections so far have passed through. Nothing is kept but means by channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, fx, nn

from qat.backends.fx import fake_quantized, float_view
from qat.backends.scales import freeze_scales
from qat.errors import UserError
from qat.graph.ops import INT8_LAYERS
from qat.ptq.context import Context, Inputs, Outcome, repeatable


@dataclass(frozen=True)
class Correction:
    """What a layer's bias (module `layer`) was moved by: the largest |change|, in the units of its outputs."""

    layer: str
    largest: float


@dataclass(frozen=True)
class BiasCorrection:
    """The corrected layers in the order of their execution, and (module, reason) for those left alone."""

    corrected: tuple[Correction, ...]
    skipped: tuple[tuple[str, str], ...]


def tune(prepared: fx.GraphModule, context: Context) -> Outcome:
    """What the method's row runs, on the calibration's pictures."""
    return Outcome(asdict(correct_biases(prepared, context.batches, context.plain())))


def correct_biases(
    prepared: fx.GraphModule,
    inputs: Inputs,
    floating: fx.GraphModule | None = None,
    after_batch: Callable[[int], None] | None = None,
) -> BiasCorrection:
    """Correct each layer's bias by what rounding moves the mean of its outputs.

    Args:
        prepared: a calibrated graph; open scales are frozen first. Its biases change, in place.
        inputs: a list of batches (N, 3, H, W), or a function that gives them.
        floating: the graph with float's weights, layers under the same names; `prepared` by default, which is right
            where no method has rounded its weights.
        after_batch: is called with the number of batches done.

    Returns:
        The corrected layers with their largest change, in the units of their outputs, and those left alone, with why.

    Raises:
        UserError: for no pictures.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)).eval()
        >>> pictures = [torch.randn(1, 3, 16, 16) for _ in range(2)]
        >>> prepared = qat.prepare(qat.rewrite(model, pictures[0], "x86"))
        >>> _ = qat.calibrate(prepared, pictures)
        >>> [correction.layer for correction in qat.correct_biases(prepared, pictures).corrected]
        ['0.0', '2']
    """
    freeze_scales(prepared)
    plain, rounded, done = float_view(floating or prepared), fake_quantized(prepared), 0
    means = _Means(plain, rounded)
    with torch.no_grad():
        for done, batch in enumerate(repeatable(inputs)(), 1):
            plain(batch)
            rounded(batch)
            if after_batch:
                after_batch(done)
    if not done:
        raise UserError("bias correction got no images; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    for name, correction in means.corrections.items():
        cast(Tensor, prepared.get_submodule(name).bias).data += correction
    corrected = [Correction(name, float(change.abs().max())) for name, change in means.corrections.items()]
    return BiasCorrection(tuple(corrected), tuple(means.skipped))


class _Means:
    """Hooks that note the float layers' means and move the rounded layers' outputs towards them, batch by batch."""

    def __init__(self, floating: nn.Module, rounded: nn.Module) -> None:
        self.means: dict[str, list[Tensor]] = {}
        self.calls: dict[str, int] = {}
        self.corrections: dict[str, Tensor] = {}
        self.skipped: list[tuple[str, str]] = []
        for name, layer in rounded.named_modules():
            if isinstance(layer, INT8_LAYERS) and layer.bias is None:
                self.skipped.append((name, "it has no bias"))
            elif isinstance(layer, INT8_LAYERS):
                floating.get_submodule(name).register_forward_hook(partial(self._note, name))
                layer.register_forward_hook(partial(self._correct, name))

    def _note(self, name: str, layer: nn.Module, inputs: object, output: Tensor) -> None:
        self.means.setdefault(name, []).append(_mean(output))

    def _correct(self, name: str, layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
        """Correct by a mean in which later batches weigh more, as their inputs are better: the t-th by 2 / (t + 1)."""
        calls = self.calls[name] = self.calls.get(name, 0) + 1
        error = self.means[name].pop(0) - _mean(output)
        correction = torch.lerp(self.corrections.get(name, torch.zeros_like(error)), error, 2 / (calls + 1))
        self.corrections[name] = correction
        return output + correction.view(-1, *[1] * (output.dim() - 2))


def _mean(output: Tensor) -> Tensor:
    """The mean by channel (axis 1) of a layer's output."""
    return output.transpose(0, 1).flatten(1).mean(1)
