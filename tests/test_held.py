"""The measuring of a network stage by stage finds what is right, what is in float and what stops it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.program.steps import Program, Quant, Step, Weight
from tests.held import hold, islands
from tests.networks import shuffle_norms

SIZE = (32, 48)


class Net(nn.Module):
    """What public networks are made of, small: a gate of linear layers, `body` between, an interpolation behind."""

    def __init__(self, body: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = body
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.down, self.up = nn.Linear(8, 4), nn.Linear(4, 8)
        self.tail = nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        gate = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(y, 1).flatten(1)))))
        y = self.body(y * gate.view(x.shape[0], -1, 1, 1).expand_as(y))
        return F.interpolate(self.tail(y), size=x.shape[2:], mode="bilinear", align_corners=False)


def network(body: Callable[[Tensor], Tensor]) -> nn.Module:
    torch.manual_seed(0)
    return shuffle_norms(Net(body))


def test_a_network_is_held_to_the_end() -> None:
    held = hold(network(F.hardswish), SIZE)
    assert (held.failed, held.departs, held.onnx, held.errors, held.islands) == ("", "", "", [], {})
    assert held.calib > 15
    assert held.is_right
    assert held.rules["flat_linear"] == 1


def test_what_stops_a_network_is_one_line() -> None:
    held = hold(network(lambda y: y * 2 if y.sum() > 0 else y), SIZE)
    assert held.failed == "rewrite"
    assert "torch.where" in held.why
    assert not held.is_traceback
    assert not held.is_right


def test_an_error_that_nobody_expects_is_told_apart() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ZeroDivisionError("nothing to divide")

    held = hold(Broken(), SIZE)
    assert (held.failed, held.is_traceback, held.why) == ("statistics", True, "ZeroDivisionError: nothing to divide")


def test_steps_in_float_before_layers_and_layers_in_float_are_islands() -> None:
    grid, weight = Quant(0.1, 128), Weight(np.ones((4, 4, 1, 1), np.int8), np.ones(4, np.float32))
    shape = (1, 4, 8, 8)
    steps = (
        Step("image", "input", (), shape, grid),
        Step("soft", "softmax", ("image",), shape),
        Step("kept", "conv2d", ("soft",), shape, grid, weight=weight),
        Step("real", "linear", ("kept",), shape, weight=Weight(np.ones((4, 4), np.float32))),
        Step("tail", "conv2d", ("real",), shape, weight=weight),
        Step("big", "interpolate", ("tail",), shape),
    )
    assert [*islands(Program(steps, ("big",)))] == ["softmax", "linear"]
