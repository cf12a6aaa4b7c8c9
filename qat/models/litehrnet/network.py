"""Lite-HRNet: up to four resolutions side by side, with channel weighting in the place of 1x1 convolutions.

Yu, Xiao, Gao, Yuan, Zhang, Sang, Wang: Lite-HRNet, a lightweight high-resolution network, CVPR 2021. Attribute names,
shapes and sums equal those of github.com/HRNet/Lite-HRNet, models/backbones/litehrnet.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from qat.models.litehrnet.fusion import IterativeHead, LiteHRModule, Transition
from qat.models.litehrnet.layers import Stem

STEM_CHANNELS = 32
BLOCKS = 2  # units of a module


@dataclass(frozen=True)
class Size:
    """`modules`: of stages with 2, 3 and 4 resolutions; `ratio`: of channel weighting, None for the naive network."""

    channels: tuple[int, int, int, int]
    modules: tuple[int, int, int]
    ratio: int | None = None


class Backbone(nn.Module):
    """(N, 3, H, W) -> (N, channels, H / 4, W / 4). Height and width are multiples of 32."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.stem = Stem(STEM_CHANNELS)
        before: tuple[int, ...] = (STEM_CHANNELS,)
        for stage, modules in enumerate(size.modules):
            channels = size.channels[: stage + 2]
            rows = (LiteHRModule(channels, BLOCKS, size.ratio) for _ in range(modules))
            self.add_module(f"transition{stage}", Transition(before, channels))
            self.add_module(f"stage{stage}", nn.Sequential(*rows))
            before = channels
        self.stages = len(size.modules)
        self.head_layer = IterativeHead(size.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        maps = [self.stem(x)]
        for stage in range(self.stages):
            maps = self.get_submodule(f"transition{stage}")(maps)
            maps = self.get_submodule(f"stage{stage}")(maps)
        result: Tensor = self.head_layer(maps)
        return result


class PointHead(nn.Module):
    """A 1x1 convolution: (N, cin, h, w) -> (N, cout, h, w)."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.final_layer = nn.Conv2d(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution."""
        result: Tensor = self.final_layer(x)
        return result


class PoseNetwork(nn.Module):
    """(N, 3, H, W) -> a heat map a key point, (N, points, H / 4, W / 4)."""

    def __init__(self, size: Size, points: int) -> None:
        super().__init__()
        self.backbone = Backbone(size)
        self.keypoint_head = PointHead(size.channels[0], points)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        heat: Tensor = self.keypoint_head(self.backbone(x))
        return heat


class SegmentationNetwork(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H / 4, W / 4)."""

    def __init__(self, size: Size, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(size)
        self.decode_head = PointHead(size.channels[0], classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        logits: Tensor = self.decode_head(self.backbone(x))
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.001)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
