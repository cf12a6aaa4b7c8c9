"""A network that takes pictures of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from qat.errors import UserError


class Sized(nn.Module):
    """A network whose graph holds its picture size: says so when it gets another one."""

    def __init__(self, network: nn.Module, image_size: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.width, self.height = image_size

    def forward(self, x: Tensor) -> Tensor:
        """Logits of `x`, (N, 3, height, width)."""
        height, width = x.shape[-2:]
        if (height, width) != (self.height, self.width):
            raise UserError(
                f"the picture is {width}x{height} and the int8 graph is built for TEST.IMAGE_SIZE "
                f"{self.width}x{self.height}; set TEST.IMAGE_SIZE {width},{height} and run make calib"
            )
        return cast(Tensor, self.network(x))
