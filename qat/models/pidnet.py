"""PIDNet: proportional (detail), integral (context) and derivative (boundary) branches.

Xu, Xiong, Bhattacharyya: PIDNet, a real-time semantic segmentation network inspired by PID controllers, CVPR 2023.
Attribute names and shapes equal the official checkpoints'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from qat.models.blocks import (
    DAPPM,
    PAPPM,
    BasicBlock,
    Bottleneck,
    SegmentHead,
    conv_norm,
    norm,
    norm_conv,
    resize,
    stack,
)
from qat.models.spec import Branch, NetworkSpec


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


@dataclass(frozen=True)
class PIDNetSize:
    """The sizes in which S, M and L differ."""

    planes: int
    blocks: int
    deep_blocks: int
    pyramid_planes: int
    head_planes: int
    deep: bool  # PIDNet-L's wider D branch, DAPPM and Bag


SMALL = PIDNetSize(planes=32, blocks=2, deep_blocks=3, pyramid_planes=96, head_planes=128, deep=False)
MEDIUM = PIDNetSize(planes=64, blocks=2, deep_blocks=3, pyramid_planes=96, head_planes=128, deep=False)
LARGE = PIDNetSize(planes=64, blocks=3, deep_blocks=4, pyramid_planes=112, head_planes=256, deep=True)


class PIDNet(nn.Module):
    """(N, 3, H, W) normalised RGB -> logits (N, num_classes, H / 8, W / 8).

    With `aux` (the train form) a list: P head's logits, main logits, boundary logits (N, 1, H / 8, W / 8).
    """

    def __init__(self, size: PIDNetSize, num_classes: int, aux: bool = False) -> None:
        super().__init__()
        self.aux = aux
        planes = size.planes
        self._add_context_branch(size)
        self._add_detail_branch(size)
        self._add_boundary_branch(size)
        if aux:
            self.seghead_p = SegmentHead(planes * 2, size.head_planes, num_classes)
            self.seghead_d = SegmentHead(planes * 2, planes, 1)
        self.final_layer = SegmentHead(planes * 4, size.head_planes, num_classes)
        self.apply(_initialise)

    def _add_context_branch(self, size: PIDNetSize) -> None:
        planes = size.planes
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, planes, 3, stride=2, padding=1),
            norm(planes),
            nn.ReLU(),
            nn.Conv2d(planes, planes, 3, stride=2, padding=1),
            norm(planes),
            nn.ReLU(),
        )
        self.relu = nn.ReLU()
        self.layer1 = stack(BasicBlock, planes, planes, size.blocks)
        self.layer2 = stack(BasicBlock, planes, planes * 2, size.blocks, stride=2)
        self.layer3 = stack(BasicBlock, planes * 2, planes * 4, size.deep_blocks, stride=2)
        self.layer4 = stack(BasicBlock, planes * 4, planes * 8, size.deep_blocks, stride=2)
        self.layer5 = stack(Bottleneck, planes * 8, planes * 8, 2, stride=2)

    def _add_detail_branch(self, size: PIDNetSize) -> None:
        planes = size.planes
        self.compression3 = conv_norm(planes * 4, planes * 2)
        self.compression4 = conv_norm(planes * 8, planes * 2)
        self.pag3 = PagFM(planes * 2, planes)
        self.pag4 = PagFM(planes * 2, planes)
        self.layer3_ = stack(BasicBlock, planes * 2, planes * 2, size.blocks)
        self.layer4_ = stack(BasicBlock, planes * 2, planes * 2, size.blocks)
        self.layer5_ = stack(Bottleneck, planes * 2, planes * 2, 1)

    def _add_boundary_branch(self, size: PIDNetSize) -> None:
        planes = size.planes
        width = planes * 2 if size.deep else planes
        self.layer3_d = BasicBlock(planes * 2, width, no_relu=True)
        self.layer4_d: nn.Module
        if size.deep:
            self.layer4_d = BasicBlock(width, width, no_relu=True)
        else:
            self.layer4_d = stack(Bottleneck, width, width, 1)
        self.diff3 = conv_norm(planes * 4, width, 3)
        self.diff4 = conv_norm(planes * 8, planes * 2, 3)
        self.spp = (DAPPM if size.deep else PAPPM)(planes * 16, size.pyramid_planes, planes * 4)
        self.dfm = (Bag if size.deep else LightBag)(planes * 4, planes * 4)
        self.layer5_d = stack(Bottleneck, planes * 2, planes * 2, 1)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Run the three branches side by side; I feeds P through PagFM and D through `diff`."""
        height, width = x.shape[-2] // 8, x.shape[-1] // 8
        x = self.layer1(self.conv1(x))
        x = self.relu(self.layer2(self.relu(x)))
        p, d = self.layer3_(x), self.layer3_d(x)

        x = self.relu(self.layer3(x))
        p = self.relu(self.pag3(p, self.compression3(x)))
        d = self.relu(d + resize(self.diff3(x), height, width))
        extra_p = p

        x = self.relu(self.layer4(x))
        p = self.relu(self.pag4(self.layer4_(p), self.compression4(x)))
        d = self.relu(self.layer4_d(d) + resize(self.diff4(x), height, width))
        extra_d = d

        x = resize(self.spp(self.layer5(x)), height, width)
        logits = self.final_layer(self.dfm(self.layer5_(p), x, self.layer5_d(d)))
        return [self.seghead_p(extra_p), logits, self.seghead_d(extra_d)] if self.aux else logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


BRANCHES = (
    Branch("P", "detail", ("compression3", "compression4", "pag3", "pag4", "layer3_", "layer4_", "layer5_")),
    Branch("I", "context", ("conv1", "layer1", "layer2", "layer3", "layer4", "layer5", "spp")),
    Branch("D", "boundary", ("layer3_d", "layer4_d", "layer5_d", "diff3", "diff4"), boundary=True),
    Branch("Fusion", "P + I + D", ("dfm",), joins=True),
    Branch("Head", "logits", ("final_layer",), joins=True),
)


def _spec(name: str, alias: str, size: PIDNetSize) -> NetworkSpec:
    return NetworkSpec(
        name=name,
        aliases=(alias,),
        build=partial(PIDNet, size),
        stride=8,
        smallest_side=64,
        outputs=("detail", "logits", "boundary"),
        auxiliary=("seghead_p.", "seghead_d."),
        loss="pidnet",
        branches=BRANCHES,
    )


NETWORKS = (
    _spec("pidnet_s", "pidnet_small", SMALL),
    _spec("pidnet_m", "pidnet_medium", MEDIUM),
    _spec("pidnet_l", "pidnet_large", LARGE),
)
