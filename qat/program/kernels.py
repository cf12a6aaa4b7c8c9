"""Convolutions of uint8 levels by torch's oneDNN kernels, which are private and change: they are tried before use."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.environment import has_vnni
from qat.program.functions import bias_of
from qat.program.levels import FULL, within
from qat.program.steps import Quant, Step, Weight


@lru_cache
def available(high: int = FULL) -> bool:
    """Whether the kernels are there, and exact on extremes of levels up to `high`: above 127 they need VNNI."""
    if (high > FULL // 2 and not has_vnni()) or not hasattr(torch.ops.onednn, "qconv_pointwise"):
        return False
    try:
        return _agrees(high)
    except (RuntimeError, TypeError):  # another torch's schema
        return False


class Convolution:
    """A step's convolution of uint8 levels: packed once, when it first runs.

    `source`: the input's grid; `target`: the output's, None for float32.
    """

    def __init__(self, step: Step, source: Quant, target: Quant | None) -> None:
        assert step.weight is not None
        assert step.weight.scales is not None
        self.source, self.target, self.relu = source, target, step.relu
        sides = (_pair(step.attributes[name]) for name in ("stride", "padding", "dilation"))
        self._geometry = *sides, int(step.attributes["groups"])
        self._weight = step.weight
        self._arguments: tuple[object, ...] | None = None

    def __call__(self, levels: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> uint8 levels of `target`, or float32."""
        result: Tensor = torch.ops.onednn.qconv_pointwise.default(levels, *(self._arguments or self._pack(levels)))
        return result if self.target is None else within(result, self.target)

    def _pack(self, levels: Tensor) -> tuple[object, ...]:
        """All of the kernel's arguments but the levels, made once."""
        weight = torch.from_numpy(self._weight.values)
        out = weight.shape[0]
        scales = torch.from_numpy(self._weight.scales).float().expand(out).contiguous()
        source, geometry = (self.source.scale, self.source.zero_point), self._geometry
        packed = torch.ops.onednn.qconv_prepack(weight, scales, *source, *geometry, list(levels.shape))
        constants = packed, scales, torch.zeros(out, dtype=torch.int32), bias_of(self._weight)
        to = (1.0, 0, torch.float32)
        if self.target is not None:
            to = self.target.scale, self.target.zero_point, torch.uint8
        self._arguments = *source, *constants, *geometry, *to, "relu" if self.relu else "none", [], ""
        return self._arguments


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _agrees(high: int) -> bool:
    """Extremes of input and weight, dense and depthwise, against the sums in float64."""
    for groups, channels in ((1, 64), (128, 128)):
        levels = torch.full((1, channels, 8, 8), high, dtype=torch.uint8)
        weight = torch.full((128, channels // groups, 3, 3), 127, dtype=torch.int8)
        weight[::2] = -127
        step = Step(
            "self_test",
            "conv2d",
            (),
            (1, 128, 8, 8),
            attributes={"stride": 1, "padding": 1, "dilation": 1, "groups": groups},
            weight=Weight(weight.numpy(), torch.full((128,), 2.0**-9).numpy()),
        )
        found = Convolution(step, Quant(2.0**-7, 3), None)(levels)
        expected = F.conv2d((levels.double() - 3) * 2.0**-7, weight.double() * 2.0**-9, padding=1, groups=groups)
        if not torch.allclose(found.double(), expected, rtol=1e-6):
            return False
    return True
