"""The fusions of PIDNet's branches: PagFM (P takes from I), and the boundary-guided Bag, Light_Bag and DDFMv2."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qat.models.blocks import conv_norm, norm, norm_conv, resize


class PagFM(nn.Module):
    """Pixel-attention-guided fusion: x (N, C, H, W) detail and y (N, C, h, w) context -> (N, C, H, W)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.f_x = conv_norm(channels, width)
        self.f_y = conv_norm(channels, width)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Where x and y agree, take y; elsewhere keep x."""
        height, width = x.shape[-2], x.shape[-1]
        query = resize(self.f_y(y), height, width)
        similarity = torch.sigmoid(torch.sum(self.f_x(x) * query, dim=1).unsqueeze(1))
        return (1 - similarity) * x + similarity * resize(y, height, width)


class Bag(nn.Module):
    """Boundary-attention-guided fusion of PIDNet-L: p, i, d (N, C, H, W) -> (N, cout, H, W)."""

    def __init__(self, channels: int, cout: int) -> None:
        super().__init__()
        self.conv = norm_conv(channels, cout, 3)

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """Detail `p` at boundaries, context `i` elsewhere."""
        edge = torch.sigmoid(d)
        fused: Tensor = self.conv(edge * p + (1 - edge) * i)
        return fused


class LightBag(nn.Module):
    """The lighter fusion of PIDNet-S and M (official name Light_Bag): p, i, d (N, C, H, W) -> (N, cout, H, W)."""

    def __init__(self, channels: int, cout: int) -> None:
        super().__init__()
        self.conv_p = conv_norm(channels, cout)
        self.conv_i = conv_norm(channels, cout)

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """Detail `p` at boundaries, context `i` elsewhere."""
        edge = torch.sigmoid(d)
        fused: Tensor = self.conv_p((1 - edge) * i + p) + self.conv_i(i + edge * p)
        return fused


class DDFMv2(nn.Module):
    """The fusion of the official ablations: Light_Bag with BN and ReLU before each convolution."""

    def __init__(self, channels: int, cout: int) -> None:
        super().__init__()
        self.conv_p = nn.Sequential(*norm_conv(channels, cout), norm(cout))
        self.conv_i = nn.Sequential(*norm_conv(channels, cout), norm(cout))

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """Detail `p` at boundaries, context `i` elsewhere."""
        edge = torch.sigmoid(d)
        fused: Tensor = self.conv_p((1 - edge) * i + p) + self.conv_i(i + edge * p)
        return fused
