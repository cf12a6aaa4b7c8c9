"""A multi-head attention is traced as layers and steps, which int8 has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import qat
from qat.errors import UserError
from qat.graph import trace
from qat.graph.check import check

SHAPE = (1, 3, 16, 24)


class Net(nn.Module):
    """Patches that look at each other; `weights`: which of the attention's outputs is read too."""

    def __init__(self, weights: bool = False, mask: bool = False, **settings: Any) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 4, 1)
        self.attention, self.weights, self.mask = nn.MultiheadAttention(16, 2, **settings), weights, mask

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patches(x)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = tokens if self.attention.batch_first else tokens.transpose(0, 1)
        mask = torch.zeros(24, 24) if self.mask else None
        mixed, shares = self.attention(tokens, tokens, tokens, need_weights=self.weights, attn_mask=mask)
        tokens = tokens + mixed
        tokens = tokens if self.attention.batch_first else tokens.transpose(0, 1)
        result: Tensor = self.head(tokens.transpose(1, 2).reshape(maps.shape))
        return result * shares.sum() if self.weights else result


def made(**settings: Any) -> tuple[Net, list[Tensor]]:
    torch.manual_seed(0)
    network = Net(**settings).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network, [torch.randn(SHAPE) for _ in range(3)]


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_first": True},
        {},
        {"batch_first": True, "bias": False},
        {"batch_first": True, "kdim": 16, "vdim": 16},
        {"batch_first": True, "weights": True},
    ],
    ids=str,
)
def test_it_computes_what_torch_s_does(settings: dict[str, Any]) -> None:
    network, pictures = made(**settings)
    keys = list(network.state_dict())
    traced = trace(network, pictures[0])
    for batch in (pictures[1], torch.cat(pictures)[:1]):
        torch.testing.assert_close(traced(batch), network(batch), rtol=1e-5, atol=1e-5)
    assert list(network.state_dict()) == keys


def test_it_goes_to_int8() -> None:
    network, pictures = made(batch_first=True)
    rewritten = qat.rewrite(network, pictures[0], "x86")
    assert [one for one in check(rewritten.module, pictures[0], "x86") if one.severity == "error"] == []
    prepared = qat.prepare(rewritten)
    qat.calibrate(prepared, pictures)
    expected, given = network(pictures[1]), qat.convert(prepared)(pictures[1])
    assert 10 * torch.log10(expected.square().sum() / (given - expected).square().sum()) > 25


def test_a_mask_is_one_line() -> None:
    network, pictures = made(batch_first=True, mask=True)
    with pytest.raises(
        UserError, match=r"test_attention.py:\d+ .*with a mask has no int8 form here; leave the mask out"
    ):
        trace(network, pictures[0])


def test_a_device_that_has_the_layer_gets_it_whole() -> None:
    network, pictures = made(batch_first=True)
    rewritten = qat.rewrite(network, pictures[0], "j5").module
    assert any(isinstance(module, nn.MultiheadAttention) for module in rewritten.modules())


def test_what_the_network_reads_of_the_layer_stays() -> None:
    class Reader(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * self.attention.embed_dim**-0.5 + self.attention.in_proj_bias.mean()

    network = Reader(batch_first=True).eval()
    picture = torch.randn(SHAPE)
    torch.testing.assert_close(trace(network, picture)(picture), network(picture), rtol=1e-5, atol=1e-5)


def test_a_layer_of_torch_that_holds_one_is_named() -> None:
    class Encoder(Net):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.patches(x)
            result: Tensor = self.head(
                self.attention(maps.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(maps.shape)
            )
            return result

    found = [one.op for one in check(Encoder().eval(), torch.randn(SHAPE), "x86") if one.severity == "error"]
    assert found == ["TransformerEncoderLayer"]
