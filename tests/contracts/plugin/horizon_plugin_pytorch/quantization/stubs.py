"""Where quantisation begins."""

from __future__ import annotations

from torch import Tensor, nn


class QuantStub(nn.Module):
    """`scale` fixes the quantiser and disables its observer."""

    def __init__(self, scale: float | None = None) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x
