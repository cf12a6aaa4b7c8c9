"""Modules that break one of J5's limits each, with a neighbour that keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHAPE = (1, 4, 32, 32)


class Fn(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@dataclass(frozen=True)
class Broken:
    """A model that breaks the limit of an operation on an input of `shape`; `legal` is one that doesn't."""

    op: str
    limit: str
    model: Any
    legal: Any = None
    shape: tuple[int, ...] = SHAPE
    rewritten: bool = False
    legal_shape: tuple[int, ...] = ()


def conv(cin: int = 4, cout: int = 4, kernel: Any = 1, **keywords: Any) -> nn.Module:
    return nn.Conv2d(cin, cout, kernel, bias=False, **keywords)


def deconv(cin: int = 4, cout: int = 4, kernel: Any = 2, **keywords: Any) -> nn.Module:
    return nn.ConvTranspose2d(cin, cout, kernel, bias=False, **keywords)


def resize(**keywords: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.interpolate(x, **keywords)


def sample(**keywords: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.grid_sample(x, x[:, :, :2, :2].transpose(1, 3)[..., :2], align_corners=False, **keywords)


class Added(nn.Module):
    """A strided convolution whose output is added to another."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.one, self.two = conv(stride=stride), nn.Sequential(conv(stride=stride), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.two(x)


class Unbatched(nn.Module):
    """A layer of four axes that gets three."""

    layer: Any = staticmethod(lambda: deconv())

    def __init__(self) -> None:
        super().__init__()
        self.inner = type(self).layer()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.reshape(x.shape[1:]))


class UnbatchedConv3d(Unbatched):
    layer = staticmethod(lambda: nn.Conv3d(1, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = x.reshape(4, 32, 32)
        return self.layer(y, y, y)[0]


BROKEN = (
    Broken("sum", "not N", lambda x: x.sum((0, 1), True), lambda x: x.sum((1, 2, 3), True)),
    Broken("mean", "not N", lambda x: x.mean(), lambda x: x.mean((1, -1), True)),
    Broken("mean", "keepdim", lambda x: x.mean(1), lambda x: x.mean(1, keepdim=True)),
    Broken("unsqueeze", "unsupported", lambda x: x.unsqueeze(1), lambda x: x),
    Broken("flatten", "no row", lambda x: torch.flatten(x, 1), lambda x: x.reshape(1, -1)),
    Broken("getitem", "unclear", lambda x: x[:, 1:], lambda x: torch.split(x, 2, 1)),
    *(Broken(op, "magnitude", getattr(torch, op)) for op in ("ceil", "floor")),
    Broken(
        "clamp", "at most 10 axes", lambda x: x.clamp(0, 1), lambda x: x.clamp(0, 1), (1,) * 11, legal_shape=(1,) * 10
    ),
    Broken("sub", "constant minuend", lambda x: 1 - x, lambda x: x - x.sigmoid()),
    Broken("conv2d", "kernel at most 31", conv(kernel=(1, 32)), conv(kernel=31), (1, 4, 64, 64)),
    Broken("conv2d", "C at most 8192", conv(8193), conv(8192), (1, 8193, 2, 16), legal_shape=(1, 8192, 2, 16)),
    Broken("conv2d", "padding at most 256", conv(padding=(0, 257)), conv(padding=256)),
    Broken("conv2d", "output C at most 8192", nn.Sequential(conv(4, 8193), nn.ReLU()), conv(4, 16384), (1, 4, 1, 16)),
    Broken("conv2d", "fused add at stride 1 or 2", Added(3), Added(2)),
    Broken(
        "conv2d",
        "kernel's values",
        conv(8192, 1, (3, 3)),
        conv(8192, 64, 3, groups=64),
        (1, 8192, 4, 16),
    ),
    Broken("conv2d", "dilation at most 16", conv(kernel=2, dilation=17), conv(kernel=2, dilation=16)),
    Broken("conv2d", "dilation at stride 1", conv(kernel=2, dilation=2, stride=2), conv(kernel=2, dilation=2)),
    Broken("conv_transpose2d", "N at most 128", deconv(), deconv(), (129, 4, 2, 16), legal_shape=(128, 4, 2, 16)),
    Broken("conv_transpose2d", "C at most 2048", deconv(4, 2049), deconv(4, 2048)),
    Broken("conv_transpose2d", "kernel 2 to 14, at least the stride", deconv(kernel=15), deconv(kernel=14)),
    Broken("conv_transpose2d", "kernel 2 to 14, at least the stride", deconv(kernel=2, stride=3), deconv(stride=2)),
    Broken("conv_transpose2d", "stride at most 14", deconv(kernel=14, stride=15), deconv(kernel=14, stride=14)),
    Broken("conv_transpose2d", "dilation at most 1", deconv(dilation=2), deconv(dilation=1)),
    Broken(
        "conv_transpose2d",
        "output_padding at most 1",
        deconv(kernel=4, stride=4, output_padding=2),
        deconv(kernel=4, stride=4, output_padding=1),
    ),
    Broken("conv_transpose2d", "rank 4", Unbatched(), deconv()),
    Broken("conv_transpose2d", "padding at most kernel / stride", deconv(kernel=3, stride=2, padding=2), deconv()),
    Broken(
        "conv_transpose2d", "kernel's values", deconv(8, 2048, 14), deconv(4, 4, 2), (1, 8, 2, 16), legal_shape=SHAPE
    ),
    Broken("Conv3d", "rank 5", UnbatchedConv3d(), None),
    Broken("MultiheadAttention", "composite", Attention()),
    Broken("linear", "features at most 8192", nn.Linear(32, 8193), nn.Linear(32, 8192)),
    Broken(
        "batch_norm", "after a convolution", nn.Sequential(nn.BatchNorm2d(4)), nn.Sequential(conv(), nn.BatchNorm2d(4))
    ),
    Broken(
        "batch_norm",
        "C at most 8192 alone",
        nn.BatchNorm2d(8193),
        nn.BatchNorm2d(8192),
        (1, 8193, 1, 16),
        legal_shape=(1, 8192, 1, 16),
    ),
    Broken("layer_norm", "composite", nn.LayerNorm(32)),
    Broken(
        "layer_norm",
        "H*W at most 16384",
        nn.LayerNorm(16),
        nn.LayerNorm(16),
        (1, 1, 1025, 16),
        legal_shape=(1, 1, 1024, 16),
    ),
    Broken("softmax", "composite", nn.Softmax(1)),
    Broken("interpolate", "mode", resize(size=[4, 4], mode="bicubic"), resize(size=[4, 4], mode="bilinear")),
    Broken("interpolate", "corners", resize(size=[4, 4], mode="bilinear", align_corners=True), resize(size=[4, 4])),
    Broken("interpolate", "constant size", lambda x: F.interpolate(x, [x.shape[2] // 2, 4]), resize(size=4)),
    Broken(
        "interpolate",
        "recomputed factor",
        resize(scale_factor=2),
        resize(scale_factor=2, recompute_scale_factor=True),
    ),
    Broken("interpolate", "recomputed factor", nn.Upsample(scale_factor=2), nn.Upsample((4, 4))),
    Broken(
        "interpolate", "C, H and W at most 8192", resize(size=4), resize(size=4), (1, 1, 2, 8208), legal_shape=SHAPE
    ),
    Broken(
        "avg_pool2d", "kernel_size at most 256", nn.AvgPool2d(257, 1, 128), nn.AvgPool2d(256, 1, 128), (1, 1, 64, 64)
    ),
    Broken("avg_pool2d", "stride at most 256", nn.AvgPool2d(1, 257), nn.AvgPool2d(1, 256)),
    Broken("avg_pool2d", "padding at most 256", nn.AvgPool2d(514, 1, 257), None),
    Broken("adaptive_avg_pool2d", "emulated", nn.AdaptiveAvgPool2d(2)),
    Broken("max_pool2d", "kernel_size at most 256", nn.MaxPool2d(257, 1, 128), nn.MaxPool2d(256, 1, 128)),
    Broken("max_pool2d", "stride at most 256", nn.MaxPool2d(1, 257), nn.MaxPool2d(1, 256)),
    Broken("max_pool2d", "padding at most 255", nn.MaxPool2d(512, 1, 256), None),
    Broken(
        "max_pool2d", "C, H and W at most 8192", nn.MaxPool2d(2), nn.MaxPool2d(2), (1, 1, 2, 8208), legal_shape=SHAPE
    ),
    Broken("add", "one operand broadcasts", lambda x: x[:, :1] + x[:, :, :1], lambda x: x[:, :1] + x),
    Broken("mul", "no broadcast on N", lambda x: x[:1] * x, lambda x: x * x, (2, 4, 32, 32)),
    Broken("add", "in place", lambda x: x.relu().add_(1), lambda x: x.relu() + 1),
    Broken("relu", "in place", nn.ReLU(inplace=True), nn.ReLU()),
    Broken("div", "int16 only", lambda x: x / x.relu()),
    Broken("cat", "2 to 1024 inputs", lambda x: torch.cat([x], 1), lambda x: torch.cat([x, x], 1)),
    Broken(
        "cat", "2 to 1024 inputs", lambda x: torch.cat([x] * 1025, 2), lambda x: torch.cat([x] * 1024, 2), (1, 1, 2, 16)
    ),
    Broken("cat", "rank 4", lambda x: torch.cat([x.mean(1)] * 2, 1), lambda x: torch.cat([x, x], 1)),
    Broken(
        "cat",
        "N at most 4096",
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.cat([x, x], 1),
        (4097, 1, 2, 16),
        legal_shape=(4096, 1, 2, 16),
    ),
    Broken(
        "cat",
        "C, H and W at most 65536",
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.cat([x, x], 1),
        (1, 1, 2, 65552),
        legal_shape=(1, 1, 2, 65536),
    ),
    Broken(
        "argmax",
        "C, H and W at most 65535",
        lambda x: x.argmax(1),
        lambda x: x.argmax(1),
        (1, 1, 2, 65536),
        legal_shape=SHAPE,
    ),
    Broken("matmul", "C, H and W at most 8192", lambda x: x @ x.transpose(2, 3), None, (1, 1, 2, 8208)),
    *(Broken(op, "lookup table", getattr(torch, op)) for op in ("sigmoid", "tanh", "exp", "log", "sqrt")),
    Broken("silu", "lookup table", nn.SiLU()),
    Broken("gelu", "lookup table", nn.GELU()),
    Broken("argmax", "index only as an output", lambda x: x.argmax(1, True) + 1, lambda x: x.argmax(1, True)),
    Broken("grid_sample", "sampling mode", sample(mode="bicubic"), sample(mode="nearest")),
    Broken("grid_sample", "padding mode", sample(padding_mode="reflection"), sample(padding_mode="border")),
    Broken(
        "grid_sample",
        "H and W at most 1024, H*W at most 720*1024",
        sample(),
        sample(),
        (1, 4, 16, 1040),
        legal_shape=(1, 4, 720, 1024),
    ),
    Broken("pad", "mode", lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), lambda x: F.pad(x, (1, 1))),
    Broken("transpose", "not N", lambda x: x.transpose(0, 1), lambda x: x.transpose(1, 2)),
    Broken("dequant_stub", "int32 at the tail", nn.Sigmoid(), conv(), rewritten=True),
    Broken("dequant_stub", "ReLU at the tail", nn.Sequential(conv(), nn.ReLU()), conv(), rewritten=True),
    Broken("input", "pyramid input", nn.ReLU(), nn.ReLU(), (1, 3, 32, 24), legal_shape=(1, 3, 32, 48)),
    Broken("input", "pyramid input", nn.ReLU(), nn.ReLU(), (1, 3, 33, 48), legal_shape=(1, 3, 34, 48)),
)
