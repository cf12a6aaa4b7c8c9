"""Networks as torch's exporter writes them, in several operator sets."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PICTURE = (1, 3, 32, 48)


class Convolutional(nn.Module):
    """What real-time networks are made of, with two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.act = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 2, 2, groups=8)
        self.squeeze = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 4, 3, 2, 1, 1)
        self.head, self.auxiliary = nn.Conv2d(4, 5, 1), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.hardswish(self.depthwise(self.act(self.norm(self.stem(x)))))
        y = y * F.hardsigmoid(self.squeeze(y.mean((2, 3)))).view(x.shape[0], 8, 1, 1)
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        a, b = y.chunk(2, 1)
        y = torch.cat([F.gelu(a), F.silu(b)], 1)
        y = F.max_pool2d(y, 3, 1, 1) + F.avg_pool2d(y, 3, 1, 1)
        up = F.interpolate(self.up(y), size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.head(F.mish(up)), self.auxiliary(y)


class Attentive(nn.Module):
    """What transformers are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm, self.qkv = nn.Conv2d(3, 16, 4, 4), nn.LayerNorm(16), nn.Linear(16, 48)
        self.scale, self.head = nn.Parameter(torch.randn(16, 1, 1)), nn.Conv2d(16, 5, 1)
        self.instance, self.group = nn.InstanceNorm2d(16, affine=True), nn.GroupNorm(4, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patch(x)
        n, c, h, w = y.shape
        q, k, v = self.qkv(self.norm(y.flatten(2).transpose(1, 2))).chunk(3, -1)
        tokens = torch.softmax(q @ k.transpose(1, 2) / 4, -1) @ v
        y = self.group(self.instance(tokens.transpose(1, 2).reshape(n, c, h, w) * self.scale + y))
        y = F.pad(y, (1, 1, 1, 1), "reflect")[:, :, 1:-1, 1:-1]
        y = F.leaky_relu((y + F.adaptive_avg_pool2d(y, 1).expand_as(y)).clamp(-3, 3))
        y = F.pixel_shuffle(F.pixel_unshuffle(F.interpolate(y, scale_factor=2, mode="nearest"), 2), 2)
        return F.interpolate(self.head(y), scale_factor=2, mode="bilinear", align_corners=True)


NETWORKS = {"convolutional": Convolutional, "attentive": Attentive}
OUTPUTS = {"convolutional": 2, "attentive": 1}
AXES: dict[str, Any] = {"fixed": None, "batch": {"x": {0: "n"}}, "any": {"x": {0: "n", 2: "h", 3: "w"}}}


def export(network: nn.Module, path: Path, opset: int = 17, axes: str = "any", outputs: int = 2) -> Path:
    """Writes the float file of a network with so many outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.randn(PICTURE),),
            str(path),
            opset_version=opset,
            dynamic_axes=AXES[axes],
            input_names=["x"],
            output_names=["out", "aux"][:outputs],
            dynamo=False,
        )
    return path
