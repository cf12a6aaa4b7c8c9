"""Where the quantised part of a graph ends: at the last layer, before its logits are resized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

import qat
from qat.backends.scales import quantisers
from qat.compile.onnx.writer import to_onnx
from qat.graph.nodes import op_name
from tests.compile.small import departing, network
from tests.networks import SHAPE


class Resized(nn.Module):
    """A tail of logits, and what forward() makes of them."""

    def __init__(self, ending: Callable[[Tensor], Any] = lambda y: y) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())
        self.tail, self.ending = nn.Conv2d(8, 4, 1), ending

    def forward(self, x: Tensor) -> Any:
        return self.ending(self.tail(self.body(x)))


def up(x: Tensor, **settings: Any) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, **settings)


def bilinear(x: Tensor) -> Tensor:
    return up(x, mode="bilinear", align_corners=False)


ENDINGS: dict[str, tuple[Callable[[Tensor], Any], list[str]]] = {
    "once": (bilinear, ["tail", "dequant_stub", "interpolate"]),
    "twice, other modes": (lambda y: up(bilinear(y)), ["tail", "dequant_stub", "interpolate", "interpolate"]),
    "two outputs": (lambda y: (y, bilinear(y)), ["tail", "dequant_stub", "interpolate", "output"]),
    "behind a ReLU": (lambda y: bilinear(y.relu()), ["tail", "relu", "interpolate", "dequant_stub"]),
    "read again": (
        lambda y: (lambda z: (z, z.sigmoid()))(bilinear(y)),
        ["tail", "interpolate", "dequant_stub", "sigmoid"],
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_stub_stands_behind_the_layer_where_nothing_else_reads_its_logits(name: str) -> None:
    ending, expected = ENDINGS[name]
    graph = qat.rewrite(Resized(ending).eval(), torch.zeros(SHAPE), "x86").module
    names = ["tail" if node.target == "tail" else op_name(node) for node in graph.graph.nodes]
    assert names[names.index("tail") :][: len(expected)] == expected
    again = qat.rewrite(graph, torch.zeros(SHAPE), "x86").module
    assert [node.target for node in again.graph.nodes] == [node.target for node in graph.graph.nodes]


def sqnr(reference: Tensor, other: Tensor) -> float:
    return float(10 * torch.log10(reference.square().sum() / (reference - other).square().sum()))


@pytest.mark.parametrize("name", ["once", "twice, other modes"])
def test_logits_keep_their_precision_through_resizing(name: str) -> None:
    """They were rounded to 256 levels for it: as far from float as an int8 layer."""
    made = network(Resized(ENDINGS[name][0]), SHAPE)
    rounded = {node.all_input_nodes[0].name for node, _ in quantisers(made.prepared)}
    assert not any(one.startswith(("tail", "interpolate")) for one in rounded)
    plain = network(Resized(), SHAPE)
    with torch.no_grad():
        resized = sqnr(made.floating(made.example), made.calib(made.example))
        before = sqnr(plain.floating(made.example), plain.calib(made.example))
        int8 = qat.convert(made.prepared, picture=made.example)
        assert isinstance(int8, fx.GraphModule)
        assert sqnr(made.calib(made.example), int8(made.example)) > 60
    assert resized > before - 1
    assert departing(to_onnx(made.program), made) == []


def test_other_resizings_of_the_network_stay_in_int8() -> None:
    def middle(y: Tensor) -> Tensor:
        return bilinear(F.conv2d(bilinear(y), torch.ones(2, 4, 1, 1)))

    prepared = network(Resized(middle), SHAPE).prepared
    rounded = {node.all_input_nodes[0].name for node, _ in quantisers(prepared)}
    assert "interpolate" in rounded
    assert "interpolate_1" not in rounded
