"""BiSeNetV2: a detail branch of few layers at high resolution, a semantic branch that is deep and narrow.

Yu, Gao, Wang, Yu, Shen, Sang: BiSeNet V2, bilateral network with guided aggregation for real-time semantic
segmentation, IJCV 2021. Attribute names, shapes and the ReLUs that the paper doesn't draw equal those of
github.com/CoinCheung/BiSeNet, lib/models/bisenetv2.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qat.models.bisenet.layers import CITYSCAPES_MEAN, CITYSCAPES_STD, ConvBNReLU, mean_of_picture
from qat.models.blocks import conv, norm
from qat.models.spec import Branch, NetworkSpec

EXPANSION = 6  # of gather-and-expansion layers
HEAD_WIDTH = 1024
AUXILIARY_WIDTH = 128
DROPOUT = 0.1


class StemBlock(nn.Module):
    """A strided convolution and a pooling side by side: (N, 3, H, W) -> (N, 16, H / 4, W / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvBNReLU(3, 16, stride=2)
        self.left = nn.Sequential(ConvBNReLU(16, 8, 1), ConvBNReLU(8, 16, stride=2))
        self.right = nn.MaxPool2d(3, stride=2, padding=1)
        self.fuse = ConvBNReLU(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = self.conv(x)
        fused: Tensor = self.fuse(torch.cat([self.left(x), self.right(x)], 1))
        return fused


class GatherExpand(nn.Module):
    """Gather and expansion, stride 1: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = channels * EXPANSION
        self.conv1 = ConvBNReLU(channels, channels)
        self.dwconv = nn.Sequential(conv(channels, wide, 3, groups=channels), norm(wide), nn.ReLU())
        self.conv2 = nn.Sequential(conv(wide, channels), norm(channels))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        result: Tensor = self.relu(self.conv2(self.dwconv(self.conv1(x))) + x)
        return result


class GatherExpandDown(nn.Module):
    """Gather and expansion, stride 2: (N, cin, H, W) -> (N, cout, H / 2, W / 2)."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        wide = cin * EXPANSION
        self.conv1 = ConvBNReLU(cin, cin)
        self.dwconv1 = nn.Sequential(conv(cin, wide, 3, 2, groups=cin), norm(wide))
        self.dwconv2 = nn.Sequential(conv(wide, wide, 3, groups=wide), norm(wide), nn.ReLU())
        self.conv2 = nn.Sequential(conv(wide, cout), norm(cout))
        self.shortcut = nn.Sequential(conv(cin, cin, 3, 2, groups=cin), norm(cin), conv(cin, cout), norm(cout))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        deep = self.conv2(self.dwconv2(self.dwconv1(self.conv1(x))))
        result: Tensor = self.relu(deep + self.shortcut(x))
        return result


class ContextEmbedding(nn.Module):
    """Adds one vector of the whole picture to every position: (N, 128, h, w) -> (N, 128, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = norm(128)
        self.conv_gap = ConvBNReLU(128, 128, 1)
        self.conv_last = ConvBNReLU(128, 128)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        context: Tensor = self.conv_last(x + self.conv_gap(self.bn(mean_of_picture(x))))
        return context


class DetailBranch(nn.Module):
    """(N, 3, H, W) -> (N, 128, H / 8, W / 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.S1 = nn.Sequential(ConvBNReLU(3, 64, stride=2), ConvBNReLU(64, 64))
        self.S2 = nn.Sequential(ConvBNReLU(64, 64, stride=2), ConvBNReLU(64, 64), ConvBNReLU(64, 64))
        self.S3 = nn.Sequential(ConvBNReLU(64, 128, stride=2), ConvBNReLU(128, 128), ConvBNReLU(128, 128))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the branch."""
        detail: Tensor = self.S3(self.S2(self.S1(x)))
        return detail


class SemanticBranch(nn.Module):
    """(N, 3, H, W) -> maps of 16, 32, 64, 128 and 128 channels at 1/4, 1/8, 1/16, 1/32 and 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.S1S2 = StemBlock()
        self.S3 = nn.Sequential(GatherExpandDown(16, 32), GatherExpand(32))
        self.S4 = nn.Sequential(GatherExpandDown(32, 64), GatherExpand(64))
        self.S5_4 = nn.Sequential(GatherExpandDown(64, 128), *(GatherExpand(128) for _ in range(3)))
        self.S5_5 = ContextEmbedding()

    def forward(self, x: Tensor) -> list[Tensor]:
        """Apply the branch."""
        maps = []
        for stage in (self.S1S2, self.S3, self.S4, self.S5_4, self.S5_5):
            x = stage(x)
            maps.append(x)
        return maps


class GuidedAggregation(nn.Module):
    """Detail (N, 128, h, w) and semantics (N, 128, h / 4, w / 4) gate each other -> (N, 128, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.left1 = _separable()
        self.left2 = nn.Sequential(conv(128, 128, 3, 2), norm(128), nn.AvgPool2d(3, stride=2, padding=1))
        self.right1 = nn.Sequential(conv(128, 128, 3), norm(128))
        self.right2 = _separable()
        self.up1 = nn.Upsample(scale_factor=4)
        self.up2 = nn.Upsample(scale_factor=4)
        self.conv = nn.Sequential(conv(128, 128, 3), norm(128), nn.ReLU())

    def forward(self, detail: Tensor, semantics: Tensor) -> Tensor:
        """Each side's own resolution, then their sum."""
        fine = self.left1(detail) * torch.sigmoid(self.up1(self.right1(semantics)))
        coarse = self.left2(detail) * torch.sigmoid(self.right2(semantics))
        aggregated: Tensor = self.conv(fine + self.up2(coarse))
        return aggregated


def _separable() -> nn.Sequential:
    return nn.Sequential(conv(128, 128, 3, groups=128), norm(128), conv(128, 128))


class Head(nn.Module):
    """Features (N, cin, h, w) -> logits (N, classes, h * factor, w * factor).

    An auxiliary head (`aux`) doubles the size before its second 3x3 convolution; the main one has none.
    """

    def __init__(self, cin: int, width: int, classes: int, factor: int = 8, aux: bool = False) -> None:
        super().__init__()
        self.conv = ConvBNReLU(cin, width)
        self.drop = nn.Dropout(DROPOUT)
        wide = factor**2 if aux else width
        first = nn.Sequential(nn.Upsample(scale_factor=2), ConvBNReLU(width, wide)) if aux else nn.Identity()
        last = nn.Upsample(scale_factor=factor // 2 if aux else factor, mode="bilinear", align_corners=False)
        self.conv_out = nn.Sequential(first, nn.Conv2d(wide, classes, 1), last)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the features `x`."""
        logits: Tensor = self.conv_out(self.drop(self.conv(x)))
        return logits


class BiSeNetV2(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W); the train form (`aux`) gives those of the auxiliary heads too.

    Height and width are multiples of 32.
    """

    def __init__(self, classes: int, aux: bool) -> None:
        super().__init__()
        self.aux = aux
        self.detail = DetailBranch()
        self.segment = SemanticBranch()
        self.bga = GuidedAggregation()
        self.head = Head(128, HEAD_WIDTH, classes)
        if aux:
            self.aux2 = Head(16, AUXILIARY_WIDTH, classes, 4, aux=True)
            self.aux3 = Head(32, AUXILIARY_WIDTH, classes, 8, aux=True)
            self.aux4 = Head(64, AUXILIARY_WIDTH, classes, 16, aux=True)
            self.aux5_4 = Head(128, AUXILIARY_WIDTH, classes, 32, aux=True)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Run the two branches side by side and aggregate them."""
        maps = self.segment(x)
        logits: Tensor = self.head(self.bga(self.detail(x), maps[-1]))
        if not self.aux:
            return logits
        heads = (self.aux2, self.aux3, self.aux4, self.aux5_4)
        return [logits, *(head(features) for head, features in zip(heads, maps, strict=False))]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, GatherExpand | GatherExpandDown):
        module.conv2.get_parameter(
            "1.weight"
        ).data.zero_()  # a block is its shortcut at first; its children came before


BRANCHES = (
    Branch("D", "detail", ("detail",)),
    Branch("S", "semantics", ("segment",)),
    Branch("BGA", "D + S", ("bga",), joins=True),
    Branch("Head", "logits", ("head",), joins=True),
)

NETWORKS = (
    NetworkSpec(
        name="bisenetv2",
        build=BiSeNetV2,
        stride=1,
        multiple=32,
        smallest_side=32,
        mean=CITYSCAPES_MEAN,
        std=CITYSCAPES_STD,
        outputs=("logits", "aux2", "aux3", "aux4", "aux5_4"),
        auxiliary=("aux2.", "aux3.", "aux4.", "aux5_4."),
        loss="cross_entropy",
        fast=("head.", "aux"),
        decay_kernels_only=True,
        branches=BRANCHES,
        fit="resize",
    ),
)
