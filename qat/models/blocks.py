"""Residual blocks, pooling pyramids and the segmentation head; attribute names are the official checkpoints' keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BN_MOMENTUM = 0.1


def conv(cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def norm(channels: int) -> nn.BatchNorm2d:
    """The official network's batch normalisation."""
    return nn.BatchNorm2d(channels, momentum=BN_MOMENTUM)


def conv_norm(cin: int, cout: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution, then batch normalisation."""
    return nn.Sequential(conv(cin, cout, kernel, stride), norm(cout))


def norm_conv(cin: int, cout: int, kernel: int = 1, groups: int = 1) -> nn.Sequential:
    """Batch normalisation, ReLU, convolution (the pooling pyramids' order)."""
    return nn.Sequential(norm(cin), nn.ReLU(), conv(cin, cout, kernel, groups=groups))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (N, cin, H, W) -> (N, width, H / stride, W / stride)."""

    expansion = 1

    def __init__(self, cin: int, width: int, stride: int = 1, no_relu: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(cin, width, 3, stride), norm(width)
        self.relu = nn.ReLU()
        self.conv2, self.bn2 = conv(width, width, 3), norm(width)
        self.downsample = _shortcut(cin, width, stride)
        self.no_relu = no_relu

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out = out + (x if self.downsample is None else self.downsample(x))
        result: Tensor = out if self.no_relu else self.relu(out)
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut: (N, cin, H, W) -> (N, 2 width, H / stride, W / stride)."""

    expansion = 2

    def __init__(self, cin: int, width: int, stride: int = 1, no_relu: bool = True) -> None:
        super().__init__()
        cout = width * self.expansion
        self.conv1, self.bn1 = conv(cin, width), norm(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), norm(width)
        self.conv3, self.bn3 = conv(width, cout), norm(cout)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(cin, cout, stride)
        self.no_relu = no_relu

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out = out + (x if self.downsample is None else self.downsample(x))
        result: Tensor = out if self.no_relu else self.relu(out)
        return result


def _shortcut(cin: int, cout: int, stride: int) -> nn.Sequential | None:
    return conv_norm(cin, cout, 1, stride) if stride != 1 or cin != cout else None


def stack(
    block: type[BasicBlock] | type[Bottleneck], cin: int, width: int, blocks: int, stride: int = 1
) -> nn.Sequential:
    """`blocks` blocks in a row; the last one of several has no ReLU, the first keeps its kind's default."""
    layers: list[nn.Module] = [block(cin, width, stride)]
    cin = width * block.expansion
    layers += [block(cin, width, no_relu=i == blocks - 1) for i in range(1, blocks)]
    return nn.Sequential(*layers)


class SegmentHead(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, 1x1: features (N, cin, h, w) -> logits (N, cout, h, w)."""

    def __init__(self, cin: int, width: int, cout: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = norm(cin), conv(cin, width, 3)
        self.bn2, self.conv2 = norm(width), nn.Conv2d(width, cout, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the features `x`."""
        x = self.conv1(self.relu(self.bn1(x)))
        logits: Tensor = self.conv2(self.relu(self.bn2(x)))
        return logits


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear resize to (height, width) pixels, corners not aligned."""
    return torch.nn.functional.interpolate(x, size=[height, width], mode="bilinear", align_corners=False)


def _pooled(pool: nn.Module, cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(pool, *norm_conv(cin, cout))


class _Pyramid(nn.Module):
    """The five scales that both pyramids share: 1, 1/2, 1/4, 1/8 and one value for the whole picture."""

    def __init__(self, cin: int, width: int) -> None:
        super().__init__()
        self.scale1 = _pooled(nn.AvgPool2d(5, stride=2, padding=2), cin, width)
        self.scale2 = _pooled(nn.AvgPool2d(9, stride=4, padding=4), cin, width)
        self.scale3 = _pooled(nn.AvgPool2d(17, stride=8, padding=8), cin, width)
        self.scale4 = _pooled(nn.AdaptiveAvgPool2d((1, 1)), cin, width)
        self.scale0 = norm_conv(cin, width)

    def pooled(self, x: Tensor) -> list[Tensor]:
        """The four pooled scales, each resized to the size of `x`."""
        height, width = x.shape[-2], x.shape[-1]
        scales = (self.scale1, self.scale2, self.scale3, self.scale4)
        return [resize(scale(x), height, width) for scale in scales]


class PAPPM(_Pyramid):
    """Parallel aggregation: every scale is added to the finest one, then one grouped convolution runs over all."""

    def __init__(self, cin: int, width: int, cout: int) -> None:
        super().__init__(cin, width)
        self.scale_process = norm_conv(width * 4, width * 4, 3, groups=4)
        self.compression = norm_conv(width * 5, cout)
        self.shortcut = norm_conv(cin, cout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, h, w) -> (N, cout, h, w)."""
        fine = self.scale0(x)
        scales = self.scale_process(torch.cat([scale + fine for scale in self.pooled(x)], 1))
        context: Tensor = self.compression(torch.cat([fine, scales], 1)) + self.shortcut(x)
        return context


class DAPPM(_Pyramid):
    """Deep aggregation: each scale is added to the one before it and convolved."""

    def __init__(self, cin: int, width: int, cout: int) -> None:
        super().__init__(cin, width)
        self.process1 = norm_conv(width, width, 3)
        self.process2 = norm_conv(width, width, 3)
        self.process3 = norm_conv(width, width, 3)
        self.process4 = norm_conv(width, width, 3)
        self.compression = norm_conv(width * 5, cout)
        self.shortcut = norm_conv(cin, cout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, h, w) -> (N, cout, h, w)."""
        levels = [self.scale0(x)]
        steps = (self.process1, self.process2, self.process3, self.process4)
        for process, scale in zip(steps, self.pooled(x), strict=True):
            levels.append(process(scale + levels[-1]))
        context: Tensor = self.compression(torch.cat(levels, 1)) + self.shortcut(x)
        return context
