"""Subclasses of torch's layers: one that computes the same is a leaf."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.graph import trace
from qat.graph.proof import TOLERANCE, difference

SHAPE = (2, 8, 12, 16)


class Renamed(nn.Conv2d):
    """Own arguments, torch's computation."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)
        self.note = "ours"


class Standardised(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        standard = self.weight - self.weight.mean()
        return F.conv2d(input, standard, self.bias)


class Halved(nn.Conv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        halved: Tensor = super()._conv_forward(input, weight / 2, bias)
        return halved


class Activated(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Stacked(nn.Sequential):
    pass


@pytest.mark.parametrize(
    ("layer", "leaf"),
    [
        (Renamed(8), True),
        (Standardised(8, 8, 1), False),
        (Halved(8, 8, 1), False),
        (Activated(8), False),
        (Stacked(nn.Conv2d(8, 8, 1)), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_of_layers(layer: nn.Module, leaf: bool) -> None:
    """One that only builds itself otherwise is torch's layer; one that computes otherwise is looked into."""
    model, x = nn.Sequential(layer).eval(), torch.randn(SHAPE)
    graph = trace(model, x)
    layers = [graph.get_submodule(str(node.target)) for node in graph.graph.nodes if node.op == "call_module"]
    assert [type(each) for each in layers] == ([nn.Conv2d] if leaf else [])
    assert difference(model(x), graph(x)) <= TOLERANCE
    assert type(model[0]) is type(layer)
