"""Colours on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from .ops import round_to

_SWINGS = {"full": (128.0, 1.0, 1.0), "studio": (112.0, 255 / 219, 255 / 224)}  # shift and gain of Y, gain of U and V


def rgb2centered_yuv(input: Tensor, swing: str = "studio") -> Tensor:
    """RGB, 0 .. 255, to centred YUV444 (BT.601), whole numbers from -128 to 127."""
    shift, luma, chroma = _SWINGS[swing]
    red, green, blue = input[:, 0:1], input[:, 1:2], input[:, 2:3]
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (blue - y) / 1.772 / chroma, (red - y) / 1.402 / chroma
    return torch.cat([y / luma - shift, u, v], 1).round().clamp(-128, 127)


def centered_yuv2rgb(
    input: Tensor,
    swing: str = "studio",
    mean: list[float] | Tensor = (128.0,),
    std: list[float] | Tensor = (128.0,),
    q_scale: float | Tensor = 1.0 / 128.0,
) -> Tensor:
    """Centred YUV444 to RGB, normalised and quantised; for converted networks only."""
    shift, luma, chroma = _SWINGS[swing]
    y, u, v = (input[:, 0:1] + shift) * luma, input[:, 1:2] * chroma, input[:, 2:3] * chroma
    rgb = torch.cat([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], 1).round().clamp(0, 255)
    mean, std = (torch.as_tensor(value).reshape(1, -1, 1, 1) for value in (mean, std))
    return round_to((rgb - mean) / std, torch.as_tensor(q_scale, dtype=torch.float32).reshape(1))
