"""YOLOv5, a detector: one definition by depth and width, with the stem and the pooling of releases 6 or 5.

Known by its facts alone: shapes, key names, constants and formulas of github.com/ultralytics/yolov5, releases 5.0, 6.0
and 7.0. That code is under GPL-3.0 and AGPL-3.0, and no line of it is here; weights that were made with it carry its
licence.

The network ends with Detect's 1x1 convolutions. What they say is decoded outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qat.models.yolov5.layers import C3, SPP, SPPF, ConvBNSiLU, Focus

WIDTHS = (64, 128, 256, 512, 1024)  # channels at strides 2 to 32, before the multiple
STRIDES = (8, 16, 32)
ANCHORS = (  # width and height in pixels, three a stride
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
BOX_VALUES = 5  # x, y, width, height and objectness of an anchor, before its classes


@dataclass(frozen=True)
class Size:
    """Multiples of the number of blocks and of channels."""

    depth: float
    width: float

    def blocks(self, count: int) -> int:
        """`count` times the depth, at least one.

        >>> Size(0.33, 0.5).blocks(9)
        3
        """
        return max(round(count * self.depth), 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels, rounded up to multiples of 8.

        >>> Size(0.33, 0.25).widths
        (16, 32, 64, 128, 256)
        """
        return tuple(math.ceil(width * self.width / 8) * 8 for width in WIDTHS)


class Detect(nn.Module):
    """A 1x1 convolution a stride: maps (N, cin, h, w) -> maps (N, 3 * (5 + classes), h, w)."""

    anchors: Tensor

    def __init__(self, channels: tuple[int, ...], classes: int, has_anchor_grid: bool) -> None:
        super().__init__()
        pixels, strides = torch.tensor(ANCHORS, dtype=torch.float32), torch.tensor(STRIDES, dtype=torch.float32)
        self.register_buffer("anchors", pixels / strides.view(-1, 1, 1))
        if has_anchor_grid:  # release 5.0's state dict has the pixels too
            self.register_buffer("anchor_grid", pixels.view(len(STRIDES), 1, -1, 1, 1, 2).clone())
        values = BOX_VALUES + classes
        self.m = nn.ModuleList(nn.Conv2d(cin, len(ANCHORS[0]) * values, 1) for cin in channels)
        for layer, stride in zip(self.m, STRIDES, strict=True):
            _set_priors(layer.get_parameter("bias"), stride, classes)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Apply each convolution to its map."""
        return [layer(x) for layer, x in zip(self.m, maps, strict=True)]


def _set_priors(bias: nn.Parameter, stride: int, classes: int) -> None:
    """Starts from 8 objects in a picture of 640x640, and from 0.6 a class (Lin et al., focal loss, section 3.3)."""
    with torch.no_grad():
        values = bias.view(len(ANCHORS[0]), -1)
        values[:, 4] += math.log(8 / (640 / stride) ** 2)
        values[:, BOX_VALUES:] += math.log(0.6 / (classes - 0.99999))


class YOLOv5(nn.Module):
    """(N, 3, H, W) -> maps of 3 anchors' values at strides 8, 16 and 32, (N, 3 * (5 + classes), h, w).

    Height and width are multiples of 32. `release`: 6 or 5. Its layers have the numbers that the state dict knows.
    """

    def __init__(self, size: Size, classes: int, release: int = 6) -> None:
        super().__init__()
        self.model = nn.ModuleList((*_backbone(size, release), *_neck(size)))
        self.model.append(Detect(size.widths[2:], classes, has_anchor_grid=release == 5))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Down to stride 32, up to 8, and down again, each level with what was seen there before."""
        eighth = self._through(range(0, 5), x)
        sixteenth = self._through(range(5, 7), eighth)
        deep = self._through(range(7, 11), sixteenth)
        middle = self._through((13, 14), torch.cat([self.model[11](deep), sixteenth], 1))
        small = self._through((17,), torch.cat([self.model[15](middle), eighth], 1))
        medium = self._through((20,), torch.cat([self.model[18](small), middle], 1))
        large = self._through((23,), torch.cat([self.model[21](medium), deep], 1))
        outputs: list[Tensor] = self.model[24]([small, medium, large])
        return outputs

    def _through(self, numbers: range | tuple[int, ...], x: Tensor) -> Tensor:
        for number in numbers:
            x = self.model[number](x)
        return x


def _backbone(size: Size, release: int) -> list[nn.Module]:
    """Layers 0 to 9: a convolution to each stride, and residual blocks at it."""
    first, *widths = size.widths
    stem: nn.Module = Focus(3, first, 3) if release == 5 else ConvBNSiLU(3, first, 6, 2, 2)
    counts = (3, 9, 9) if release == 5 else (3, 6, 9)
    layers, cin = [stem], first
    for cout, count in zip(widths, counts, strict=False):
        layers += [ConvBNSiLU(cin, cout, 3, 2), C3(cout, cout, size.blocks(count))]
        cin = cout
    last = widths[-1]
    layers.append(ConvBNSiLU(cin, last, 3, 2))
    if release == 5:
        return [*layers, SPP(last, last), C3(last, last, size.blocks(3), shortcut=False)]
    return [*layers, C3(last, last, size.blocks(3)), SPPF(last, last)]


def _neck(size: Size) -> list[nn.Module]:
    """Layers 10 to 23; concatenations have numbers too."""
    _, _, small, medium, large = size.widths
    blocks = size.blocks(3)
    return [
        ConvBNSiLU(large, medium),
        nn.Upsample(scale_factor=2),
        nn.Identity(),
        C3(2 * medium, medium, blocks, shortcut=False),
        ConvBNSiLU(medium, small),
        nn.Upsample(scale_factor=2),
        nn.Identity(),
        C3(2 * small, small, blocks, shortcut=False),
        ConvBNSiLU(small, small, 3, 2),
        nn.Identity(),
        C3(2 * small, medium, blocks, shortcut=False),
        ConvBNSiLU(medium, medium, 3, 2),
        nn.Identity(),
        C3(2 * medium, large, blocks, shortcut=False),
    ]
