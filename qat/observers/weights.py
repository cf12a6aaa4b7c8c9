"""Weights: symmetric int8 per output channel, scale from min_max or the smallest squared error."""

from __future__ import annotations

import torch
from torch import Tensor

from qat.observers.grid import EMPTY, LEAST

LOW, HIGH = -128, 127
METHODS = ("min_max", "mse")
SHRINK = 80  # candidates between half and all of the largest scale
_NEXT_TO_NOTHING = 2.0**-10  # of a layer's largest scale
_CACHED = 1 << 15  # float64 values whose search stays in a core's cache


def weight_scales(weight: Tensor, method: str) -> Tensor:
    """Scales (out channels,) float32 of a weight (out, in, kh, kw).

    `method`: min_max, the smallest scale that clips nothing, max(max(w) / 127, -min(w) / 128); or mse, least squared
    error. torch.ao's max |w| / 127.5 clips every positive maximum by half a step, and makes 1.0 in a convolution of
    ones 0.996.
    """
    rows = weight.detach().double().flatten(1)
    scales = torch.maximum(rows.amax(1) / HIGH, rows.amin(1) / LOW)
    least = _least(float(scales.max()))
    if method == "mse":
        shares = torch.linspace(0.5, 1.0, SHRINK, dtype=torch.float64)
        scales = _best(rows, torch.stack([scales * share for share in shares]), least)
    return scales.clamp_min(least).float()


def _least(largest: float) -> float:
    """The smallest scale of a layer whose `largest` is this one: channels next to nothing beside it share it.

    Their bias, an int32 in steps of input scale * weight scale, would overflow otherwise.

    >>> _least(0.01) == _least(0.0) == EMPTY, _least(1e-9) < 1e-12
    (True, True)
    """
    return min(EMPTY, max(largest * _NEXT_TO_NOTHING, LEAST)) if largest > 0 else EMPTY


def _best(rows: Tensor, candidates: Tensor, least: float) -> Tensor:
    """For each of `rows` (channels, n) the one of its `candidates` (SHRINK, channels) of least squared error."""
    channels = max(1, _CACHED // rows.shape[1])
    blocks = zip(rows.split(channels), candidates.split(channels, dim=1), strict=True)
    return torch.cat([_best_of_block(block, scales, least) for block, scales in blocks])


def _best_of_block(rows: Tensor, candidates: Tensor, least: float) -> Tensor:
    errors = torch.stack([_errors(rows, scales, least) for scales in candidates])
    return candidates.gather(0, errors.argmin(0, keepdim=True))[0]


def _errors(rows: Tensor, scales: Tensor, least: float) -> Tensor:
    column = scales.clamp_min(least).view(-1, 1)
    snapped = (rows / column).round_().clamp_(LOW, HIGH).mul_(column)
    return snapped.sub_(rows).square_().sum(1)


def fake_quantise(weight: Tensor, scales: Tensor) -> Tensor:
    """`weight` rounded to int8 levels, as float32 of the same shape; one scale, or one per channel of axis 0."""
    if len(scales) == 1:
        return torch.fake_quantize_per_tensor_affine(weight.detach(), float(scales), 0, LOW, HIGH)
    zeros = torch.zeros(len(scales), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight.detach(), scales.to(weight.device), zeros, 0, LOW, HIGH)
