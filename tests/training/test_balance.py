from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from qat.training.balance import balance_steps, channel_scales


def network() -> nn.Sequential:
    """Two layers, with weights as a trainable copy holds them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1))
    for layer in (model[0], model[2]):
        parametrize.register_parametrization(layer, "weight", nn.Identity())
    return model


@torch.no_grad()
def rescaled(model: nn.Sequential, factors: Tensor) -> nn.Sequential:
    """The same function with other scales of the channels between the layers."""
    other = copy.deepcopy(model)
    other[0].parametrizations.weight.original.mul_(factors.view(-1, 1, 1, 1))
    other[0].bias.mul_(factors)
    other[2].parametrizations.weight.original.div_(factors.view(1, -1, 1, 1))
    return other


def after_a_step(model: nn.Sequential, balanced: bool, x: Tensor) -> Tensor:
    if balanced:
        balance_steps(model)
    model(x).square().mean().backward()
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    return model(x).detach()


def test_a_step_doesnt_depend_on_the_channels_scales() -> None:
    model, x = network(), torch.randn(2, 3, 8, 8)
    exponents = torch.tensor([3.0, -3.0, 2.0, -2.0, 1.0, -1.0, 0.0, 0.0])
    other = rescaled(model, exponents.exp2())
    torch.testing.assert_close(other(x), model(x))
    plain = [after_a_step(copy.deepcopy(one), False, x) for one in (model, other)]
    assert (plain[0] - plain[1]).abs().max() > 0.02
    torch.testing.assert_close(*(after_a_step(one, True, x) for one in (model, other)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (5, 7)], ids=["convolution", "linear"])
def test_scales_are_found(shape: tuple[int, ...]) -> None:
    rows, columns = (torch.randn(count).exp() for count in shape[:2])
    rows, columns = (value / value.log().mean().exp() for value in (rows, columns))
    weight = 3 * rows.view(-1, 1) * columns
    weight = weight.view(*shape[:2], *[1] * (len(shape) - 2)).expand(shape)
    torch.testing.assert_close(channel_scales(weight), (rows, columns))


def test_a_dead_channel_has_a_scale() -> None:
    weight = torch.randn(4, 5, 3, 3)
    weight[1] = 0
    for scales in (*channel_scales(weight), *channel_scales(torch.zeros(4, 5))):
        assert scales.isfinite().all()
        assert (scales > 0).all()


def test_what_doesnt_learn_is_left_alone() -> None:
    model = network().requires_grad_(False)
    model[2].bias.requires_grad_(True)
    balance_steps(model)
    model(torch.randn(1, 3, 8, 8)).sum().backward()
    assert [name for name, value in model.named_parameters() if value.grad is not None] == ["2.bias"]
