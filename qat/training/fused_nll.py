"""Cross-entropy at label size without logits at label size.

Bilinear upsampling of a channel is `down @ channel @ across.T`, two small matrices. A band of rows is upsampled,
reduced to one number a pixel and forgotten; the backward pass makes it again. On a CPU that takes a third of the time
of interpolate and cross_entropy, whose full-size logits are mostly memory traffic, and next to no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from qat.data.descriptor import IGNORE

BAND = 1 << 15  # pixels at once on a CPU: 19 float32 channels of them stay in a core's cache


def upsampled_nll(logits: Tensor, label: Tensor, align_corners: bool) -> Tensor:
    """Negative log likelihood (N, H, W) of each pixel's true class, 0 where ignored; call it outside of autocast.

    Equal to `F.cross_entropy(F.interpolate(logits, (H, W), mode="bilinear", ...), label, reduction="none")` up to float
    rounding. `logits` (N, C, h, w) of any float type, reduced in float32 or wider; `label` int64 (N, H, W), 0 to C - 1
    or 255.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    function: Any = _UpsampledNLL
    nll: Tensor = function.apply(logits.to(wide), label, align_corners)
    return nll


class _UpsampledNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, label: Tensor, align_corners: bool) -> Tensor:
        down = interpolation(logits.shape[2], label.shape[1], align_corners, logits)
        across = interpolation(logits.shape[3], label.shape[2], align_corners, logits)
        valid = label != IGNORE
        index = label.where(valid, 0)
        wide = logits.contiguous() @ across.T
        total, nll = logits.new_empty(label.shape), logits.new_empty(label.shape)
        for image, rows in bands(label):
            band = down[rows] @ wide[image]
            own = band.gather(0, index[image, None, rows])[0]
            top = band.amax(0)
            total[image, rows] = band.sub_(top).exp_().sum(0).log_().add_(top)
            nll[image, rows] = total[image, rows] - own
        ctx.save_for_backward(wide, index, valid, total, down, across)
        return nll.mul_(valid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        wide, index, valid, total, down, across = ctx.saved_tensors
        grad = grad * valid
        wide_grad = torch.zeros_like(wide)
        for image, rows in bands(grad):
            share = grad[image, None, rows]
            band = (down[rows] @ wide[image]).sub_(total[image, rows]).exp_().mul_(share)
            band.scatter_add_(0, index[image, None, rows], -share)
            wide_grad[image] += down[rows].T @ band
        return wide_grad @ across, None, None


def bands(maps: Tensor) -> Iterator[tuple[int, slice]]:
    """(image, rows) over maps (N, H, W): about BAND pixels at once, whole images off the CPU."""
    count, height, width = maps.shape
    step = max(1, BAND // width) if maps.device.type == "cpu" else height
    for image in range(count):
        for start in range(0, height, step):
            yield image, slice(start, start + step)


def interpolation(samples: int, pixels: int, align_corners: bool, like: Tensor) -> Tensor:
    """The matrix (pixels, samples) of torch's linear interpolation along one axis."""
    unit = torch.eye(samples, dtype=like.dtype, device=like.device)
    return F.interpolate(unit[None], size=pixels, mode="linear", align_corners=align_corners)[0].T.contiguous()
