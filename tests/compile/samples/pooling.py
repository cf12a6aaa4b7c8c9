"""Pooling over unequal windows and with places, and resampling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compile.operations import Operation, call, plain, resize


def pyramid(y: Tensor) -> Tensor:
    """Pyramid pooling: windows of unequal size."""
    scales = [F.adaptive_avg_pool2d(y, size) for size in (1, 2, 3, 6)]
    return torch.cat([y] + [F.interpolate(z, (9, 12), mode="bilinear", align_corners=True) for z in scales], 1)


def unpool(module: nn.Module, y: Tensor) -> Tensor:
    pooled, places = F.max_pool2d(y, (3, 2), return_indices=True)
    return F.max_unpool2d(F.relu(pooled), places, (3, 2))


def layers(module: nn.Module, y: Tensor) -> Tensor:
    pooled, places = module.pool(y)
    return module.unpool(pooled * 2, places)


def pair() -> dict[str, nn.Module]:
    return {"pool": nn.MaxPool2d((3, 2), return_indices=True), "unpool": nn.MaxUnpool2d((3, 2))}


def adaptive(module: nn.Module, y: Tensor) -> Tensor:
    return F.adaptive_max_pool2d(y, (4, 5), return_indices=True)[0]


def grid(y: Tensor) -> Tensor:
    """Where to sample (N, H, W, 2)."""
    return torch.tanh(y[:, :2]).permute(0, 2, 3, 1)


POOLS = (
    call("adaptive_avg_pool2d", "unequal", lambda y: F.adaptive_avg_pool2d(y, (4, 5))),
    call("adaptive_avg_pool2d", "pyramid", pyramid),
    call("adaptive_max_pool2d", "unequal", lambda y: F.adaptive_max_pool2d(y, (4, 5))),
    Operation("adaptive_max_pool2d", "with places", adaptive, row="adaptive_max_pool2d_with_indices"),
    call("avg_pool2d", "divisor", lambda y: F.avg_pool2d(y, 2, divisor_override=3)),
    Operation("max_unpool2d", "functions", unpool),
    Operation("max_pool2d_indices", "functions", unpool, row="max_pool2d_with_indices"),
    Operation("max_unpool2d", "modules", layers, pair),
)
RESAMPLING = (
    resize("bicubic", (18, 24), align_corners=False),
    resize("bicubic", (13, 20), align_corners=True),
    resize("area", (5, 7)),
    resize("bilinear", (5, 7), antialias=True),
    plain("interpolate", "bilinear by a factor", lambda y: F.interpolate(y, scale_factor=1.7, mode="bilinear")),
    plain("interpolate", "nearest by a factor", lambda y: F.interpolate(y, scale_factor=0.4)),
    call("grid_sample", "", lambda y: F.grid_sample(y, grid(y), align_corners=False)),
    call(
        "grid_sample",
        "nearest, border",
        lambda y: F.grid_sample(y, grid(y) * 1.5, "nearest", padding_mode="border", align_corners=True),
    ),
)
POOLING = (*POOLS, *RESAMPLING)
