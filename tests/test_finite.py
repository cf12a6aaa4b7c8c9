from __future__ import annotations

import pytest
import torch
from torch import nn

from qat.errors import UserError
from qat.finite import check_gradients, check_loss, culprit


class Divides(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 0.0


def network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 1), *layers, nn.Conv2d(3, 3, 1))


IMAGE = torch.ones(1, 3, 4, 4)


def test_a_finite_loss_passes_and_nothing_is_asked() -> None:
    check_loss({"loss": 1.0}, lambda: pytest.fail("asked"))


def test_every_wrong_part_is_named() -> None:
    with pytest.raises(UserError, match=r"^loss nan, boundary inf: here$"):
        check_loss({"loss": float("nan"), "semantic": 1.0, "boundary": float("inf")}, lambda: "here")


def test_a_weight_is_found_first() -> None:
    model = network(Divides())
    model.get_parameter("2.bias").data[1] = float("nan")
    assert culprit(model, IMAGE * float("nan")) == "first in 2.bias"


def test_then_the_pictures() -> None:
    assert culprit(network(Divides()), IMAGE * float("inf")) == "first in the pictures"


def test_then_the_first_layer_that_gives_it() -> None:
    model = network(nn.ReLU(), Divides(), nn.ReLU())
    assert culprit(model, IMAGE) == "first in the output of 2"
    assert not any(layer._forward_hooks for layer in model.modules())


def test_else_it_is_the_loss() -> None:
    assert culprit(network(), IMAGE) == "only in the loss"


def test_a_gradient_is_named() -> None:
    model = network()
    model(IMAGE).sum().backward()
    check_gradients(model, "here")
    model.get_parameter("1.weight").grad[0, 0] = float("nan")  # type: ignore[index]
    with pytest.raises(UserError, match=r"^NaN or infinity in the gradient of 1\.weight here$"):
        check_gradients(model, "here")
