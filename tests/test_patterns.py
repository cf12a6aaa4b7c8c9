"""How public networks are written, small: each pattern comes through every stage, in int8 and as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.held import hold
from tests.networks import shuffle_norms

SIZE = (32, 48)


class Net(nn.Module):
    """A stem, one pattern, a tail: `body(module, features, picture)`."""

    def __init__(self, body: Callable[..., Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.tail = nn.Conv2d(8, 4, 1)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.tail(self.body(self, self.stem(x), x))


class NormAct(nn.BatchNorm2d):
    """Batch normalisation and an activation in one class, the first as a function."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.Hardswish(inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        training, mean, variance = self.training, self.running_mean, self.running_var
        if training:
            return super().forward(input)
        normed = F.batch_norm(input, mean, variance, self.weight, self.bias, training, 0.1, self.eps)
        return self.act(normed)


def linear_gate(m: Any, y: Tensor, x: Tensor) -> Tensor:
    batch, channels, _, _ = y.size()
    gate = m.up(F.relu(m.down(F.adaptive_avg_pool2d(y, 1).view(batch, channels))))
    return y * torch.sigmoid(gate).view(batch, channels, 1, 1).expand_as(y)


def mean_gate(m: Any, y: Tensor, x: Tensor) -> Tensor:
    gate = m.up(F.relu(m.down(y.mean((2, 3)))))
    return y * F.hardsigmoid(gate).unsqueeze(-1).unsqueeze(-1)


def wide_gate(m: Any, y: Tensor, x: Tensor) -> Tensor:
    return y * torch.sigmoid(m.conv(m.pool(y).expand_as(y)))


def padded_join(m: Any, y: Tensor, x: Tensor) -> Tensor:
    """A U-Net's: the smaller map is padded to the other's size, which it has."""
    small = F.interpolate(F.max_pool2d(y, 2), scale_factor=2, mode="bilinear", align_corners=True)
    rows, columns = y.size()[2] - small.size()[2], y.size()[3] - small.size()[3]
    small = F.pad(small, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
    return m.join(torch.cat([y, small], dim=1))


def pyramid(m: Any, y: Tensor, x: Tensor) -> Tensor:
    parts = [F.interpolate(F.adaptive_avg_pool2d(y, n), y.shape[2:], mode="bilinear") for n in (1, 2, 4)]
    return m.join(torch.cat([y, *parts], dim=1))


def shuffled(m: Any, y: Tensor, x: Tensor) -> Tensor:
    """ShuffleNet's and Lite-HRNet's: one half is computed, both are mixed."""
    batch, channels, height, width = y.shape
    left, right = y[:, : channels // 2].clone(), y[:, channels // 2 :].clone()
    y = torch.cat([left, F.relu(m.conv(right))], 1)
    return y.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous().view(batch, -1, height, width)


def chunked(m: Any, y: Tensor, x: Tensor) -> Tensor:
    first, second = y.chunk(2, dim=1)
    return torch.cat([m.conv(first), second + first], dim=1)


def unpooled(m: Any, y: Tensor, x: Tensor) -> Tensor:
    """SegNet's."""
    small, places = m.pool(y)
    return m.unpool(m.conv(small), places, output_size=y.size())


def attention(m: Any, y: Tensor, x: Tensor) -> Tensor:
    """SegFormer's: pixels are words, with a positional table."""
    batch, channels, height, width = y.shape
    words = m.norm(y.flatten(2).transpose(1, 2))
    query, key, value = m.qkv(words).chunk(3, dim=-1)
    weights = (query @ key.transpose(-2, -1) / channels**0.5).softmax(dim=-1)
    return y + m.out(weights @ value).transpose(1, 2).reshape(batch, channels, height, width)


class Scaled(nn.Module):
    """ConvNeXt's: a gain for each channel, which is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.linspace(0.1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain.reshape(1, -1, 1, 1)


def coordinates(m: Any, y: Tensor, x: Tensor) -> Tensor:
    """A grid as YOLO's head adds it, made of the picture's sizes."""
    rows, columns = torch.meshgrid(torch.arange(y.shape[2]), torch.arange(y.shape[3]), indexing="ij")
    return y + (rows + columns).float() / 20


def words() -> dict[str, nn.Module]:
    return {"norm": nn.LayerNorm(8), "qkv": nn.Linear(8, 24), "out": nn.Linear(8, 8)}


def unpooling() -> dict[str, nn.Module]:
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    return {"pool": pool, "unpool": unpool, "conv": conv(8, 8)}


def gate() -> dict[str, nn.Module]:
    return {"down": nn.Linear(8, 4), "up": nn.Linear(4, 8)}


PATTERNS: dict[str, tuple[Callable[..., Tensor], Callable[[], dict[str, nn.Module]]]] = {
    "linear gate": (linear_gate, gate),
    "mean gate": (mean_gate, gate),
    "gate of an expanded pixel": (wide_gate, lambda: {"conv": nn.Conv2d(8, 8, 1), "pool": nn.AdaptiveAvgPool2d(1)}),
    "norm and activation": (lambda m, y, x: m.norm(m.conv(y)), lambda: {"norm": NormAct(8), "conv": conv(8, 8)}),
    "padded join": (padded_join, lambda: {"join": conv(16, 8)}),
    "pyramid": (pyramid, lambda: {"join": conv(32, 8)}),
    "residual in place": (lambda m, y, x: F.relu_(m.conv(y).add_(y)), lambda: {"conv": conv(8, 8)}),
    "the picture again": (lambda m, y, x: m.join(torch.cat([y, F.avg_pool2d(x, 2)], 1)), lambda: {"join": conv(11, 8)}),
    "shuffle": (shuffled, lambda: {"conv": conv(4, 4)}),
    "chunks": (chunked, lambda: {"conv": conv(4, 4)}),
    "SiLU and Mish": (lambda m, y, x: F.mish(F.silu(m.conv(y))), lambda: {"conv": conv(8, 8)}),
    "learned gain": (lambda m, y, x: y + m.gain(m.conv(y)), lambda: {"conv": conv(8, 8), "gain": Scaled()}),
    "grid": (coordinates, dict),
    "unpooling": (unpooled, unpooling),
    "attention": (attention, words),
    "residual by a size": (lambda m, y, x: m.conv(y) / y.shape[1] ** 0.5 + y, lambda: {"conv": conv(8, 8)}),
}


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_comes_through(name: str) -> None:
    torch.manual_seed(0)
    body, modules = PATTERNS[name]
    held = hold(shuffle_norms(Net(body, **modules())), SIZE)
    assert (held.failed, held.why, held.departs, held.onnx) == ("", "", "", "")
    assert (held.errors, held.needless) == ([], {})
    assert held.calib > 10
    assert abs(held.int8 - held.calib) < 1
