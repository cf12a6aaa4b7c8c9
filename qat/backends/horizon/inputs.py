"""How pictures enter: the plugin's stubs, and what `pyramid` needs around them.

The camera's pyramid gives int8 values, so there the stub's scale is fixed at 1/128 and the network takes pictures as
(RGB - 128) / 128: every pixel value is a level. Normalised values (-2.1 .. 2.6) would be clipped at 1, so a 1x1
convolution behind the stub normalises. Folded into the first convolution it would be wrong at the borders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.ao import QuantStub
from qat.backends.horizon.plugin import tool
from qat.errors import UserError

CENTRE = 128.0
PYRAMID_SCALE = 1 / CENTRE
SWING = "full"  # what the device's pyramid delivers


class Centred(nn.Module):
    """Takes pictures normalised with `mean` and `std` of RGB / 255, and gives `network` (RGB - 128) / 128."""

    factor: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("factor", torch.tensor(std).view(1, -1, 1, 1) * (255 / CENTRE), persistent=False)
        self.register_buffer("shift", torch.tensor(mean).view(1, -1, 1, 1) * (255 / CENTRE) - 1, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of `x` (N, 3, H, W)."""
        logits: Tensor = self.network(self.centre(x))
        return logits

    def centre(self, x: Tensor) -> Tensor:
        """`x` as the network takes it."""
        return x * self.factor + self.shift


def put_stubs(graph: fx.GraphModule, scale: float | None) -> list[str]:
    """Put the plugin's QuantStubs in torch's places; their names. `scale` None lets each observe its own."""
    stub = tool("quantization", "QuantStub")
    modules = dict(graph.named_modules())
    names = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    stubs = [name for name in names if isinstance(modules[name], QuantStub)]
    if not stubs:
        raise UserError("the graph has no QuantStub; rewrite it for QUANT.TARGET j5 first")
    for name in stubs:
        graph.add_submodule(name, stub(scale=scale))
    return stubs


def normalise_behind(graph: fx.GraphModule, stub: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """A depthwise 1x1 convolution behind `stub`: (RGB - 128) / 128 -> (RGB / 255 - mean) / std."""
    name = f"{stub}_normalise"
    graph.add_submodule(name, _normalisation(torch.tensor(mean), torch.tensor(std)))
    node = next(node for node in graph.graph.nodes if node.op == "call_module" and node.target == stub)
    _insert_behind(node, lambda: graph.graph.call_module(name, (node,)))
    graph.recompile()


def _insert_behind(node: fx.Node, make: Callable[[], fx.Node]) -> None:
    """Let the readers of `node` read the node that `make` makes of it."""
    readers = list(node.users)
    with node.graph.inserting_after(node):
        new = make()
    for reader in readers:
        reader.replace_input_with(node, new)


def _normalisation(mean: Tensor, std: Tensor) -> nn.Conv2d:
    layer = nn.Conv2d(len(mean), len(mean), 1, groups=len(mean)).eval()
    layer.weight.data = (CENTRE / 255 / std).view(-1, 1, 1, 1)
    assert layer.bias is not None
    layer.bias.data = (CENTRE / 255 - mean) / std
    return layer


def take_yuv(quantised: fx.GraphModule) -> None:
    """After convert: each input of `quantised` is centred YUV444, -128 .. 127, turned into RGB behind its stub."""
    to_rgb = tool("functional", "centered_yuv2rgb")
    settings: dict[str, Any] = {"swing": SWING, "mean": [CENTRE], "std": [CENTRE], "q_scale": PYRAMID_SCALE}
    for stub in _input_stubs(quantised):
        _insert_behind(stub, partial(quantised.graph.call_function, to_rgb, (stub,), settings))
        quantised.get_submodule(str(stub.target)).scale.fill_(1.0)  # type: ignore[operator]
    quantised.recompile()


def _input_stubs(quantised: fx.GraphModule) -> list[fx.Node]:
    """The modules that read the inputs: the plugin names their class differently before and after convert."""
    readers = [user for node in quantised.graph.find_nodes(op="placeholder") for user in node.users]
    if not readers or any(reader.op != "call_module" for reader in readers):
        raise UserError("the converted graph's inputs don't go into QuantStubs; this version of the plugin is unknown")
    return readers
