"""PIDNet's loss: semantic (OHEM), boundary, and boundary-aware semantic.

Weights and thresholds: Xu et al., "PIDNet", CVPR 2023, section 3.4, and the authors' published training configs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.data.descriptor import IGNORE
from qat.training.fused_nll import upsampled_nll

BOUNDARY_WEIGHT = 20.0
BOUNDARY_CONFIDENCE = 0.8  # sigmoid of the boundary logit above which a pixel counts for the boundary-aware loss


@dataclass(frozen=True)
class LossConfig:
    """A loss's settings; `class_weights` has one float a class, None weighs all the same."""

    balance: tuple[float, float] = (0.5, 0.5)  # of the auxiliary P head and the main head
    boundary_aware: float = 0.5
    ohem: bool = True
    threshold: float = 0.9  # OHEM keeps pixels whose true class has a lower probability ...
    min_kept: int = 100000  # ... and at least this many of the batch, the hardest ones
    class_weights: tuple[float, ...] | None = None
    align_corners: bool = True


def pidnet_loss(outputs: Sequence[Tensor], label: Tensor, edge: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Loss parts and their sum `loss`, scalars in float32.

    `outputs`: P head's and main logits (N, C, h, w), boundary logits (N, 1, h, w), upsampled here to the label's size.
    `label` int64 (N, H, W) train ids or 255; `edge` float32 (N, H, W), 0 or 1. A part without any pixel to count (all
    ignored) is 0 with zero gradients.
    """
    auxiliary, main, boundary = outputs
    valid, weight = label != IGNORE, _weight_map(label, config.class_weights)
    auxiliary_nll, nll = (upsampled_nll(logits, label, config.align_corners) for logits in (auxiliary, main))
    boundary = upsample(boundary, label.shape[-2:], config.align_corners)[:, 0]
    near = valid & (boundary.detach() > math.log(BOUNDARY_CONFIDENCE / (1 - BOUNDARY_CONFIDENCE)))
    parts = {
        "semantic": config.balance[0] * cross_entropy(auxiliary_nll, valid, weight)
        + config.balance[1] * main_loss(nll, valid, weight, config),
        "boundary": BOUNDARY_WEIGHT * boundary_loss(boundary, edge),
        "boundary_aware": config.boundary_aware * main_loss(nll, near, weight, config),
    }
    return {"loss": sum(parts.values(), start=torch.zeros_like(nll[0, 0, 0])), **parts}


def semantic_loss(outputs: Sequence[Tensor], label: Tensor, edge: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """As `pidnet_loss`, for a network whose one output is the logits; nothing learns from `edge`."""
    return {"loss": label_loss(outputs[0], label, config)}


Recipe = Callable[[Sequence[Tensor], Tensor, Tensor, LossConfig], dict[str, Tensor]]
RECIPES: dict[str, Recipe] = {"cross_entropy": semantic_loss, "pidnet": pidnet_loss}
"""By `NetworkSpec.loss`: outputs of the train form, label, boundary map and settings -> parts and their sum `loss`."""


def upsample(logits: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """Logits (N, C, h, w) of any float type -> float32 (N, C, *size), bilinear."""
    return F.interpolate(logits.float(), size=tuple(size), mode="bilinear", align_corners=align_corners)


def cross_entropy(nll: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of `nll` (N, H, W) over the valid pixels, weighted by `weight` (N, H, W); 0 if there is none."""
    share = valid.to(nll.dtype) if weight is None else valid * weight
    return (nll * share).sum() / share.sum().clamp(min=torch.finfo(nll.dtype).tiny)


def ohem(nll: Tensor, valid: Tensor, threshold: float, min_kept: int, weight: Tensor | None = None) -> Tensor:
    """Mean of (weighted) `nll` (N, H, W) over the hard pixels; 0 if none is valid.

    Hard: the probability of the true class, exp(-nll), is below `threshold`; and in any case the `min_kept` valid
    pixels of the lowest probability (all valid ones, where there are fewer).
    """
    hard = valid & (nll.detach() >= hard_limit(nll.detach()[valid], threshold, min_kept))
    weighted = nll if weight is None else nll * weight
    return (weighted * hard).sum() / hard.sum().clamp(min=1)


def hard_limit(nll: Tensor, threshold: float, min_kept: int) -> float:
    """The smallest of the flat `nll` that is hard: -log(threshold), or less where that would keep under `min_kept`."""
    limit = -math.log(threshold)
    if nll.numel() <= min_kept:
        return -math.inf
    if int((nll >= limit).sum()) >= min_kept:
        return limit
    return float(nll.kthvalue(nll.numel() - min_kept + 1).values)


def boundary_loss(logits: Tensor, edge: Tensor) -> Tensor:
    """Binary cross-entropy, mean over pixels (N, H, W); edges weigh the share of non-edges and the other way round."""
    share = edge.mean()
    weight = torch.where(edge > 0.5, 1 - share, share)
    return F.binary_cross_entropy_with_logits(logits, edge, weight)


def label_loss(logits: Tensor, label: Tensor, config: LossConfig) -> Tensor:
    """The main head's part of the semantic loss: `logits` (N, C, h, w), `label` (N, H, W); 0 where all is ignored."""
    nll = upsampled_nll(logits, label, config.align_corners)
    return main_loss(nll, label != IGNORE, _weight_map(label, config.class_weights), config)


def main_loss(nll: Tensor, valid: Tensor, weight: Tensor | None, config: LossConfig) -> Tensor:
    """OHEM or plain cross-entropy, as `config` says, over maps (N, H, W)."""
    if config.ohem:
        return ohem(nll, valid, config.threshold, config.min_kept, weight)
    return cross_entropy(nll, valid, weight)


def _weight_map(label: Tensor, weights: Sequence[float] | None) -> Tensor | None:
    """Each pixel's class weight (N, H, W), 0 where ignored."""
    if weights is None:
        return None
    table = torch.zeros(IGNORE + 1, device=label.device)
    table[: len(weights)] = torch.tensor(weights, device=label.device)
    return table[label]
