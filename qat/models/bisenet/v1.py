"""BiSeNetV1: a spatial path of few layers beside a context path on ResNet-18, fused with attention.

Yu, Wang, Peng, Gao, Yu, Sang: BiSeNet, bilateral segmentation network for real-time semantic segmentation, ECCV 2018.
Attribute names, shapes and the way of upsampling equal those of github.com/CoinCheung/BiSeNet, lib/models/bisenetv1.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qat.models.bisenet.layers import CITYSCAPES_MEAN, CITYSCAPES_STD, ConvBNReLU, mean_of_picture
from qat.models.bisenet.resnet import ResNet18
from qat.models.blocks import conv, norm
from qat.models.spec import Branch, NetworkSpec


class AttentionRefinement(nn.Module):
    """A 3x3 convolution whose channels are weighed by their means: (N, cin, h, w) -> (N, cout, h, w)."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(cin, cout)
        self.conv_atten, self.bn_atten = conv(cout, cout), norm(cout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module."""
        features: Tensor = self.conv(x)
        return features * torch.sigmoid(self.bn_atten(self.conv_atten(mean_of_picture(features))))


class ContextPath(nn.Module):
    """(N, 3, H, W) -> (N, 128, H / 8, W / 8) and (N, 128, H / 16, W / 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128)
        self.conv_head16 = ConvBNReLU(128, 128)
        self.conv_avg = ConvBNReLU(512, 128, 1)
        self.up32 = nn.Upsample(scale_factor=2.0)
        self.up16 = nn.Upsample(scale_factor=2.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The deepest map and the whole picture's mean go up step by step."""
        _, sixteenth, deepest = self.resnet(x)
        deep = self.arm32(deepest) + self.conv_avg(mean_of_picture(deepest))
        deep = self.conv_head32(self.up32(deep))
        return self.conv_head16(self.up16(self.arm16(sixteenth) + deep)), deep


class SpatialPath(nn.Module):
    """(N, 3, H, W) -> (N, 128, H / 8, W / 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(3, 64, 7, 2)
        self.conv2 = ConvBNReLU(64, 64, 3, 2)
        self.conv3 = ConvBNReLU(64, 64, 3, 2)
        self.conv_out = ConvBNReLU(64, 128, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the path."""
        detail: Tensor = self.conv_out(self.conv3(self.conv2(self.conv1(x))))
        return detail


class FeatureFusion(nn.Module):
    """Two maps (N, 128, h, w) joined, their channels weighed by their means -> (N, 256, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(256, 256, 1)
        self.conv, self.bn = conv(256, 256), norm(256)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """Apply the module."""
        fused: Tensor = self.convblk(torch.cat([detail, context], 1))
        return fused * torch.sigmoid(self.bn(self.conv(mean_of_picture(fused)))) + fused


class Head(nn.Module):
    """Features (N, cin, h, w) -> logits (N, classes, h * factor, w * factor)."""

    def __init__(self, cin: int, width: int, classes: int, factor: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(cin, width)
        self.conv_out = nn.Conv2d(width, classes, 1)
        self.up = nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the features `x`."""
        logits: Tensor = self.up(self.conv_out(self.conv(x)))
        return logits


class BiSeNetV1(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W); the train form (`aux`) gives those of the auxiliary heads too.

    Height and width are multiples of 32.
    """

    def __init__(self, classes: int, aux: bool) -> None:
        super().__init__()
        self.aux = aux
        self.cp = ContextPath()
        self.sp = SpatialPath()
        self.ffm = FeatureFusion()
        self.conv_out = Head(256, 256, classes, 8)
        if aux:
            self.conv_out16 = Head(128, 64, classes, 8)
            self.conv_out32 = Head(128, 64, classes, 16)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Run the two paths side by side and fuse them."""
        context, deep = self.cp(x)
        logits: Tensor = self.conv_out(self.ffm(self.sp(x), context))
        return [logits, self.conv_out16(context), self.conv_out32(deep)] if self.aux else logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=1)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


BRANCHES = (
    Branch("SP", "detail", ("sp",)),
    Branch("CP", "context", ("cp",)),
    Branch("FFM", "SP + CP", ("ffm",), joins=True),
    Branch("Head", "logits", ("conv_out",), joins=True),
)

NETWORKS = (
    NetworkSpec(
        name="bisenetv1",
        build=BiSeNetV1,
        stride=1,
        multiple=32,
        smallest_side=32,
        mean=CITYSCAPES_MEAN,
        std=CITYSCAPES_STD,
        outputs=("logits", "conv_out16", "conv_out32"),
        auxiliary=("conv_out16.", "conv_out32."),
        loss="cross_entropy",
        fast=("ffm.", "conv_out.", "conv_out16.", "conv_out32."),
        decay_kernels_only=True,
        branches=BRANCHES,
        fit="resize",
    ),
)
