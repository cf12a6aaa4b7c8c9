"""Parameters that learn in units of their own sizes: one learning rate then means the same everywhere.

A channel that is multiplied by s, and divided by s where it is read, leaves the function as it is, but not what an
optimiser's step does (Neyshabur et al. 2015, "Path-SGD", arXiv:1506.02617). Folding batch normalisation scales channels
so, by powers of two and more: plain gradient descent then stands still in one channel and diverges in the next. Here a
value is kept in units of what is usual in its row and column, and Adam (Kingma & Ba 2015, arXiv:1412.6980), whose steps
don't depend on the gradients' sizes, moves each by a like share.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from qat.backends.trainable import RoundedWeight, trainable_quantisers
from qat.backends.weight_scales import weighted

ROUNDS = 10
LEAST = 2.0**-16  # of a scale, so that a dead channel isn't dead for ever


class Units(nn.Module):
    """A parameter kept in `units`, which broadcast to it."""

    units: Tensor

    def __init__(self, units: Tensor) -> None:
        super().__init__()
        self.register_buffer("units", units.detach().clone())

    def forward(self, value: Tensor) -> Tensor:
        """In the network's own units."""
        return value * self.units

    def right_inverse(self, value: Tensor) -> Tensor:
        """`value` in these units."""
        return value / self.units


def learn_in_units(student: fx.GraphModule, pace: float = 1.0) -> list[nn.Parameter]:
    """Let the parameters of a `trainable` copy learn in units of their size; returns those that learn.

    `pace`: how many times as far a step moves an activation's scale, on whose gradient all of a tensor's values agree.
    """
    for module in list(weighted(student)):
        _weight_in_units(module)
    for module in list(student.modules()):
        if isinstance(module, nn.BatchNorm2d) and module.affine and module.weight.requires_grad:
            _norm_in_units(module)
    for quantiser in {id(one): one for _, one in trainable_quantisers(student) if one.learns}.values():
        _keep(quantiser, "scale", quantiser.scale, pace)
    return [parameter for parameter in student.parameters() if parameter.requires_grad]


def _weight_in_units(module: nn.Module) -> None:
    rounding = None
    if parametrize.is_parametrized(module, "weight"):
        rounding = cast(RoundedWeight, module.parametrizations.weight[0])  # type: ignore[index, union-attr]
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
    weight = cast(Tensor, module.weight)
    if weight.requires_grad:
        rows, columns = channel_scales(weight.detach())
        shape = (-1, *[1] * (weight.ndim - 1))
        _keep(module, "weight", rows.view(shape) * columns.view(1, *shape[:-1]))
        if isinstance(module.bias, nn.Parameter):
            _keep(module, "bias", columns if isinstance(module, nn.ConvTranspose2d) else rows)
    if rounding:
        parametrize.register_parametrization(module, "weight", rounding)


def _norm_in_units(norm: nn.BatchNorm2d) -> None:
    gain = norm.weight.detach().abs()
    gain = gain.clamp_min(float(gain.max().clamp_min(1e-30)) * LEAST)
    _keep(norm, "weight", gain)
    _keep(norm, "bias", gain)


def _keep(module: nn.Module, name: str, shape: Tensor, pace: float = 1.0) -> None:
    """Keep a parameter in units proportional to `shape`, in which its root mean square is 1 / pace (0 stays 0)."""
    size = (getattr(module, name).detach() / shape.detach()).square().mean().sqrt()
    parametrize.register_parametrization(module, name, Units(shape * pace * torch.where(size > 0, size, 1.0)))


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
