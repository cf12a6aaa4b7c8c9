"""Context at several scales: PAPPM (PIDNet-S and M) and DAPPM (PIDNet-L)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qat.models.blocks import norm_conv, resize


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
