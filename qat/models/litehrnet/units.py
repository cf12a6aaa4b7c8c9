"""What a module of several resolutions repeats: conditional channel weighting, or shuffle units (naive)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.models.litehrnet.layers import ConvModule, depthwise

SPATIAL_RATIO = 4  # of the channels to the width of spatial weighting


class CrossResolutionWeighting(nn.Module):
    """Weighs the channels of every resolution by what all show: maps (N, c_i, h_i, w_i), the smallest last."""

    def __init__(self, channels: Sequence[int], ratio: int) -> None:
        super().__init__()
        self.channels = list(channels)
        total = sum(channels)
        self.conv1 = ConvModule(total, int(total / ratio))
        self.conv2 = ConvModule(int(total / ratio), total, activation=nn.Sigmoid)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of the same shapes."""
        size = (maps[-1].shape[-2], maps[-1].shape[-1])
        pooled = [F.adaptive_avg_pool2d(x, size) for x in maps[:-1]]
        weights = self.conv2(self.conv1(torch.cat([*pooled, maps[-1]], 1))).split(self.channels, dim=1)
        return [x * F.interpolate(w, size=x.shape[-2:], mode="nearest") for x, w in zip(maps, weights, strict=True)]


class SpatialWeighting(nn.Module):
    """Weighs the channels of one resolution by their means: (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        width = int(channels / SPATIAL_RATIO)
        self.conv1 = ConvModule(channels, width, has_norm=False)
        self.conv2 = ConvModule(width, channels, has_norm=False, activation=nn.Sigmoid)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        weights: Tensor = self.conv2(self.conv1(self.global_avgpool(x)))
        return x * weights


class ConditionalChannelWeighting(nn.Module):
    """Half of each resolution's channels is weighed across resolutions and within its own, half passes."""

    def __init__(self, channels: Sequence[int], ratio: int) -> None:
        super().__init__()
        halves = [width // 2 for width in channels]
        self.cross_resolution_weighting = CrossResolutionWeighting(halves, ratio)
        self.depthwise_convs = nn.ModuleList(depthwise(width) for width in halves)
        self.spatial_weighting = nn.ModuleList(SpatialWeighting(width) for width in halves)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of the same shapes."""
        pairs = [x.chunk(2, dim=1) for x in maps]
        weighted = self.cross_resolution_weighting([second for _, second in pairs])
        layers = zip(self.depthwise_convs, self.spatial_weighting, strict=True)
        weighted = [weigh(convolve(x)) for x, (convolve, weigh) in zip(weighted, layers, strict=True)]
        return [self.shuffle(torch.cat([first, x], 1)) for (first, _), x in zip(pairs, weighted, strict=True)]


class ShuffleUnit(nn.Module):
    """Half of the channels through three convolutions, half past them: (N, C, h, w) -> (N, C, h, w).

    Ma, Zhang, Zheng, Sun: ShuffleNet V2, practical guidelines for efficient CNN architecture design, ECCV 2018.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch2 = nn.Sequential(ConvModule(half, half), depthwise(half), ConvModule(half, half))
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        first, second = x.chunk(2, dim=1)
        result: Tensor = self.shuffle(torch.cat([first, self.branch2(second)], 1))
        return result
