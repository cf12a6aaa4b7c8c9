"""Converts between RGB and centred YUV444 (BT.601), the format of J5's camera pyramid.

`full` swing uses all levels: Y, U, V in -128 .. 127. `studio` swing: Y in -112 .. 107, U, V in -112 .. 112.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qat.errors import UserError, nearest

RED, BLUE = 0.299, 0.114  # BT.601's luma weights; green has the rest
OFFSET = {"full": -128.0, "studio": 16.0 - 128.0}  # of black
LUMA = {"full": 1.0, "studio": 219 / 255}
CHROMA = {"full": 1.0, "studio": 224 / 255}


def rgb_to_centred_yuv(rgb: Tensor, swing: str = "full") -> Tensor:
    """RGB (N, 3, H, W), 0 .. 255, to centred YUV444 of the same shape: whole numbers, -128 .. 127, as float32."""
    matrix = _to_yuv(swing)
    yuv = torch.einsum("oc,nchw->nohw", matrix, rgb.double())
    yuv[:, 0] += OFFSET[swing]
    return yuv.round().clamp(-128, 127).float()


def centred_yuv_to_rgb(yuv: Tensor, swing: str = "full") -> Tensor:
    """Centred YUV444 (N, 3, H, W) to RGB of the same shape, 0 .. 255, not rounded, as float32."""
    matrix = torch.linalg.inv(_to_yuv(swing))
    shifted = yuv.double().clone()
    shifted[:, 0] -= OFFSET[swing]
    return torch.einsum("oc,nchw->nohw", matrix, shifted).clamp(0, 255).float()


def _to_yuv(swing: str) -> Tensor:
    """The matrix (3, 3) from RGB to YUV without offsets, rows Y, U, V."""
    if swing not in OFFSET:
        raise UserError(f"unknown swing {swing}; {nearest(swing, OFFSET)}")
    luma = torch.tensor([RED, 1 - RED - BLUE, BLUE], dtype=torch.float64)
    red, _, blue = torch.eye(3, dtype=torch.float64)
    u, v = (blue - luma) / (2 * (1 - BLUE)), (red - luma) / (2 * (1 - RED))
    return torch.stack([luma * LUMA[swing], u * CHROMA[swing], v * CHROMA[swing]])
