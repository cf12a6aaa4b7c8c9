"""network.py computes what the graph computes, on Python 3.8's syntax, with torch's names only."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.ao import DeQuantStub, QuantStub
from qat.graph.trace import trace
from qat.handover.layer_text import layer_text
from qat.handover.network_file import network_text
from qat.torch_private import tree_leaves
from tests.graph.operators import SAMPLES, Net
from tests.networks import Block, pictures, shuffle_norms

X = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.5


def built(graph: fx.GraphModule, **keywords: Any) -> nn.Module:
    """The network that the text describes, with the graph's weights."""
    graph.delete_all_unused_submodules()
    text = network_text(graph, "a network", **keywords)
    ast.parse(text, feature_version=(3, 8))
    names: dict[str, Any] = {}
    exec(compile(text, "network.py", "exec"), names)
    network: nn.Module = names["Network"]().eval()
    network.load_state_dict(graph.state_dict())
    return network


@pytest.mark.parametrize("op", SAMPLES)
def test_every_operation_computes_the_same(op: str) -> None:
    graph = trace(Net(SAMPLES[op]).eval(), X)
    with torch.no_grad():
        found, expected = tree_leaves(built(graph)(X)), tree_leaves(graph(X))
    assert all(map(torch.equal, found, expected))
    assert len(found) == len(expected)


def test_a_rewritten_network_keeps_its_layers_names() -> None:
    torch.manual_seed(0)
    x = pictures((1, 3, 16, 24), 1)[0]
    graph = qat.rewrite(shuffle_norms(Block()).eval(), x, "j5").module
    network = built(graph)
    with torch.no_grad():
        assert torch.equal(network(x), graph(x))
    assert network.state_dict().keys() == graph.state_dict().keys()
    assert isinstance(network.stem["0"], nn.Conv2d)
    assert {type(module) for module in graph.modules()} >= {QuantStub, DeQuantStub}  # whose place is Identity's
    assert "antialias" not in network_text(graph, "")


def test_the_stubs_are_the_callers() -> None:
    x = pictures((1, 3, 16, 24), 1)[0]
    names: dict[str, Any] = {}
    exec(network_text(qat.rewrite(Block().eval(), x, "j5").module, ""), names)
    network = names["Network"](nn.Tanh, nn.Sigmoid)
    assert (type(network.quant), type(network.dequant)) == (nn.Tanh, nn.Sigmoid)


class Odd(nn.Module):
    """Constants, slices, negative numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(4.0).view(1, 4, 1, 1))
        self.add_module("0", nn.Conv2d(4, 4, 1))
        self.inner = nn.Module()
        self.inner.register_buffer("shift", torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        x = getattr(self, "0")(x) * self.table + self.inner.shift
        x = (-2) ** torch.floor(x[:, 0:3, ..., 1:]) + x[:, 1:, :, 1:] * -1.5
        return torch.clamp(x, -float("inf"), max=30.0).to(torch.float64)


def test_odd_arguments() -> None:
    """Against the model: torch.fx's own text has -2 ** x for (-2) ** x."""
    model = Odd()
    with torch.no_grad():
        assert torch.equal(built(trace(model, X))(X), model(X))


def test_a_named_operation_is_a_module() -> None:
    graph = trace(Net(lambda x: torch.relu(x + x * 2)), X)
    node = next(node for node in graph.graph.nodes if node.name.startswith("add"))
    network = built(graph, named=[node])
    assert f"step_{node.name}" in dict(network.named_modules())
    assert torch.equal(network(X), graph(X))


@fx.wrap
def of_their_own(x: Tensor) -> Tensor:
    return x + 1


class TheirLayer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_what_is_not_torchs_is_one_line() -> None:
    with pytest.raises(qat.UserError, match=r"calls of_their_own, and a bundle calls functions of torch only"):
        network_text(trace(Net(lambda x: of_their_own(x)), X), "")
    with pytest.raises(qat.UserError, match=r"seg is a .*TheirLayer, and a bundle holds layers of torch.nn only"):
        layer_text(TheirLayer(), "seg")
    two = fx.symbolic_trace(Net(lambda x: (x, x)))
    with pytest.raises(qat.UserError, match="a network with one input and one output"):
        network_text(two, "")


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(3, 8, (1, 3), padding=(0, 1), groups=1), "nn.Conv2d(3, 8, (1, 3), padding=(0, 1))"),
        (nn.ConvTranspose2d(4, 2, 2, stride=2, bias=False), "nn.ConvTranspose2d(4, 2, 2, stride=2, bias=False)"),
        (nn.Linear(3, 4, bias=False), "nn.Linear(3, 4, bias=False)"),
        (nn.BatchNorm2d(4, eps=1e-3), "nn.BatchNorm2d(4, eps=0.001)"),
        (nn.AvgPool2d(5, 2, 2), "nn.AvgPool2d(5, stride=2, padding=2)"),
        (nn.ReLU(inplace=True), "nn.ReLU(inplace=True)"),
        (nn.LayerNorm(8), "nn.LayerNorm((8,))"),
        (nn.Upsample(scale_factor=2.0, mode="bilinear"), "nn.Upsample(scale_factor=2.0, mode='bilinear')"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_layers_text(layer: nn.Module, text: str) -> None:
    assert layer_text(layer, "layer") == text
