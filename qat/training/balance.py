"""Steps that don't depend on how a network's channels are scaled.

A channel that is multiplied by s, and divided by s where it is read, leaves the function as it is, but plain gradient
descent then moves its weights 1 / s^2 times as far as before, relative to them, and its readers' s^2 times: it diverges
there and stands still here (Neyshabur et al. 2015, "Path-SGD", arXiv:1506.02617). Folding batch normalisation scales
channels so. Gradients times the squares of a weight's row and column scales undo it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from qat.backends.scales import WEIGHTED
from qat.backends.trainable import ORIGINAL

ROUNDS = 10
LEAST = 2.0**-10  # of a scale, so that a dead channel isn't dead for ever


def balance_steps(model: nn.Module) -> None:
    """Let every gradient of a trainable copy's weights and biases be multiplied by its channels' squared scales."""
    for module in model.modules():
        if isinstance(module, WEIGHTED):
            weight = module.get_parameter(ORIGINAL)
            rows, columns = channel_scales(weight.detach())
            shape = (-1, *[1] * (weight.ndim - 1))
            _multiply(weight, (rows.view(shape) * columns.view(1, *shape[:-1])).square())
            out = columns if isinstance(module, nn.ConvTranspose2d) else rows
            _multiply(cast(nn.Parameter | None, module.bias), out.square())


def channel_scales(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Scales of a weight's rows (axis 0) and columns (axis 1), each with geometric mean 1.

    `weight` is about rows * columns * (values of one size).
    """
    size = weight.flatten(2).square().mean(2) if weight.ndim > 2 else weight.square()
    rows, columns = torch.ones_like(size[:, 0]), torch.ones_like(size[0])
    for _ in range(ROUNDS):
        rows = _centred((size / columns).mean(1))
        columns = _centred((size / rows[:, None]).mean(0))
    return rows.sqrt(), columns.sqrt()


def _centred(squares: Tensor) -> Tensor:
    """Squared scales, those of dead channels raised, divided by their geometric mean."""
    raised = squares.clamp_min(float(squares.max().clamp_min(1e-30)) * LEAST**2)
    return raised / raised.log().mean().exp()


def _multiply(parameter: nn.Parameter | None, factor: Tensor) -> None:
    if parameter is not None and parameter.requires_grad:
        parameter.register_hook(lambda gradient: gradient * factor)
