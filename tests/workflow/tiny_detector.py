"""A detector that calibrates and compiles in a moment."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from qat.models.yolov5 import NETWORKS

ANCHORS = torch.tensor([[[2.0, 3.0]], [[2.0, 2.0]], [[3.0, 3.0]]])  # in cells


class TinyDetector(nn.Module):
    """A convolution to each stride and one for each map."""

    anchors: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.eighth, self.sixteenth, self.thirty_second = (
            nn.Conv2d(3, 8, 8, 8),
            nn.Conv2d(8, 8, 2, 2),
            nn.Conv2d(8, 8, 2, 2),
        )
        self.heads = nn.ModuleList(nn.Conv2d(8, 5 + classes, 1) for _ in range(3))
        self.register_buffer("anchors", ANCHORS.clone())

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [torch.relu(self.eighth(x))]
        maps.append(torch.relu(self.sixteenth(maps[0])))
        maps.append(torch.relu(self.thirty_second(maps[1])))
        return [head(one) for head, one in zip(self.heads, maps, strict=True)]


TINY = replace(NETWORKS[0], name="tiny_detector", build=lambda classes, _: TinyDetector(classes), anchors=())
