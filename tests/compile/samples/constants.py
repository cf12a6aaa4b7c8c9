"""The model's own tensors, numbers from sizes, weights that are computed, layers with rare settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compile.operations import Operation, call, layer


class Held(nn.Module):
    """A buffer (1, 4, 1, 1), and gains (4, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.randn(1, 4, 1, 1))
        self.gain = nn.Parameter(torch.rand(4, 1, 1) + 0.2)


def held(op: str, name: str, function: Callable[..., Any], row: str = "") -> Operation:
    return Operation(op, name, function, lambda: {"held": Held()}, row=row or op)


def computed_gain(module: nn.Module, y: Tensor) -> Tensor:
    return y * module.held.gain.abs().view(1, 4, 1, 1).expand(1, 4, 9, 12) + y


def computed_kernel(y: Tensor) -> Tensor:
    return F.conv2d(y, y[:, :, :2, :2].transpose(0, 1).expand(4, 4, 2, 2), padding=1)


CONSTANTS = (
    held("constant", "offset", lambda m, y: y + m.held.offset, row="add"),
    held("constant", "layer scale", lambda m, y: y * m.held.gain, row="mul"),
    held("constant", "computed", computed_gain, row="expand"),
    held("constant", "joined", lambda m, y: torch.cat([y, m.held.offset.expand(1, 4, 9, 12)], 1), row="cat"),
    call("constant", "arange", lambda y: y + torch.arange(4.0).view(1, 4, 1, 1), row="add"),
    held("prelu", "function", lambda m, y: F.prelu(y, m.held.gain.flatten())),
    call("reshape", "by the batch size", lambda y: y.reshape(y.shape[0], -1, 3, 4)),
    call("scale_shift", "by a size", lambda y: y * y.shape[1], row="mul"),
    call("conv2d", "computed kernel", computed_kernel),
    call("linear", "computed weight", lambda y: F.linear(y, y[0, 0, :5])),
    layer("conv_transpose2d", "all settings", lambda: nn.ConvTranspose2d(4, 8, 3, 3, 1, 2, groups=2, dilation=2)),
)
