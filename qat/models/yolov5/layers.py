"""Blocks; attribute names are the published checkpoints' keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 1e-3  # of batch normalisation; neither it nor the momentum is in a state dict
MOMENTUM = 0.03


class ConvBNSiLU(nn.Module):
    """Convolution, batch normalisation, SiLU: (N, cin, H, W) -> (N, cout, H / stride, W / stride)."""

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        side = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(cin, cout, kernel, stride, side, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=EPS, momentum=MOMENTUM)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three."""
        result: Tensor = self.act(self.bn(self.conv(x)))
        return result


class Focus(nn.Module):
    """Every second pixel of every second row, four times, then a convolution: (N, cin, H, W) -> (N, cout, H/2, W/2)."""

    def __init__(self, cin: int, cout: int, kernel: int) -> None:
        super().__init__()
        self.conv = ConvBNSiLU(4 * cin, cout, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; rows alternate faster than columns in the order of the four."""
        parts = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        result: Tensor = self.conv(torch.cat(parts, 1))
        return result


class Residual(nn.Module):
    """1x1 and 3x3 convolutions, with a shortcut or without: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = ConvBNSiLU(channels, channels)
        self.cv2 = ConvBNSiLU(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        result: Tensor = self.cv2(self.cv1(x))
        return x + result if self.shortcut else result


class C3(nn.Module):
    """Half of the channels through `blocks` residual blocks, half past them: (N, cin, H, W) -> (N, cout, H, W).

    Wang, Liao, Yeh, Wu, Chen, Hsieh: CSPNet, a new backbone that can enhance learning capability of CNN, CVPRW 2020.
    """

    def __init__(self, cin: int, cout: int, blocks: int, shortcut: bool = True) -> None:
        super().__init__()
        half = cout // 2
        self.cv1 = ConvBNSiLU(cin, half)
        self.cv2 = ConvBNSiLU(cin, half)
        self.cv3 = ConvBNSiLU(2 * half, cout)
        self.m = nn.Sequential(*(Residual(half, shortcut) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        result: Tensor = self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))
        return result


class SPP(nn.Module):
    """Maxima over windows of 5, 9 and 13 beside the map itself: (N, cin, H, W) -> (N, cout, H, W)."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        half = cin // 2
        self.cv1 = ConvBNSiLU(cin, half)
        self.cv2 = ConvBNSiLU(4 * half, cout)
        self.m = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = self.cv1(x)
        result: Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))
        return result


class SPPF(nn.Module):
    """What SPP gives, by three windows of 5 in a row."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        half = cin // 2
        self.cv1 = ConvBNSiLU(cin, half)
        self.cv2 = ConvBNSiLU(4 * half, cout)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(self.m(maps[-1]))
        result: Tensor = self.cv2(torch.cat(maps, 1))
        return result
