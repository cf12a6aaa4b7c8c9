"""Another backend gets the network that was tuned here."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import qat
from qat.backends.bn_folding import folded
from qat.backends.fx import float_view, prepare
from qat.backends.weight_scales import weighted
from tests.networks import shuffle_norms

SHAPE = (1, 3, 64, 64)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.norm(nn.functional.avg_pool2d(self.first(x), 2))))


def networks() -> list[nn.Module]:
    torch.manual_seed(0)
    return [shuffle_norms(Net()).eval(), shuffle_norms(qat.build_model("pidnet_s", 4)).eval()]


@pytest.mark.parametrize("index", [0, 1])
def test_it_computes_what_the_prepared_graph_does_in_float(index: int) -> None:
    model, x = networks()[index], torch.randn(SHAPE)
    rewritten = qat.rewrite(model, x, "j5", prove=False)
    prepared = prepare(rewritten)
    assert torch.allclose(folded(rewritten, prepared).module(x), model(x), atol=1e-4)
    with torch.no_grad():
        for layer in weighted(prepared):
            layer.weight.mul_(1.1)
            if layer.bias is not None:
                layer.bias.add_(0.01)
    result = folded(rewritten, prepared)
    assert torch.allclose(result.module(x), float_view(prepared)(x), atol=1e-4)
    assert not torch.allclose(result.module(x), model(x), atol=1e-2)
    assert torch.allclose(rewritten.module(x), model(x), atol=1e-4)  # stays as it was


def test_it_can_be_prepared_again() -> None:
    model, x = networks()[1], torch.randn(SHAPE)
    rewritten = qat.rewrite(model, x, "j5", prove=False)
    again = folded(rewritten, prepare(rewritten))
    assert torch.allclose(float_view(prepare(again))(x), model(x), atol=1e-4)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in r.module.modules()) for r in (rewritten, again)]
    assert norms[1] <= norms[0]
