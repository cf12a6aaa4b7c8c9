"""Convolutions with their norms, and the stem; attribute names are the published checkpoints' keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qat.models.blocks import conv, norm


class ConvModule(nn.Module):
    """A convolution, its norm and an activation, as mmcv's ConvModule names them; without a norm it has a bias."""

    def __init__(
        self,
        cin: int,
        cout: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        has_norm: bool = True,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=not has_norm)
        if has_norm:
            self.bn = norm(cout)
        self.has_norm = has_norm
        self.activate = activation() if activation else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H / stride, W / stride)."""
        x = self.conv(x)
        if self.has_norm:
            x = self.bn(x)
        return x if self.activate is None else self.activate(x)


def depthwise(channels: int, stride: int = 1) -> ConvModule:
    """A depthwise 3x3 convolution and its norm."""
    return ConvModule(channels, channels, 3, stride, channels, activation=None)


class Separable(nn.Module):
    """Depthwise 3x3, pointwise, ReLU, as mmcv's DepthwiseSeparableConvModule names them."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.depthwise_conv = depthwise(cin)
        self.pointwise_conv = ConvModule(cin, cout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H, W)."""
        result: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return result


def separable(cin: int, cout: int, stride: int = 1, has_relu: bool = True) -> nn.Sequential:
    """Depthwise 3x3 and pointwise convolutions with norms, in one row."""
    layers = [conv(cin, cin, 3, stride, groups=cin), norm(cin), conv(cin, cout), norm(cout)]
    return nn.Sequential(*layers, *([nn.ReLU()] if has_relu else []))


class Stem(nn.Module):
    """Half of the channels through a wide convolution, half past it: (N, 3, H, W) -> (N, 32, H / 4, W / 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = ConvModule(3, channels, 3, 2)
        self.branch1 = nn.Sequential(depthwise(half, 2), ConvModule(half, half))
        self.expand_conv = ConvModule(half, channels)
        self.depthwise_conv = depthwise(channels, 2)
        self.linear_conv = ConvModule(channels, half)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        first, second = self.conv1(x).chunk(2, dim=1)
        second = self.linear_conv(self.depthwise_conv(self.expand_conv(second)))
        result: Tensor = self.shuffle(torch.cat([self.branch1(first), second], 1))
        return result
