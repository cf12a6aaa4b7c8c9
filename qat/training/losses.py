"""The recipes of losses; PIDNet's: semantic (OHEM), boundary, boundary-aware semantic; cross-entropy at label size.

Weights and thresholds: Xu et al., "PIDNet", CVPR 2023, section 3.4, and the authors' published training configs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from qat.data.descriptor import IGNORE
from qat.training.detection_loss import detection_loss
from qat.training.heat_map_loss import heat_map_loss

BOUNDARY_WEIGHT = 20.0
BOUNDARY_CONFIDENCE = 0.8  # sigmoid of the boundary logit above which a pixel counts for the boundary-aware loss
SMOOTHING = 0.1  # of classification's labels, as torchvision trains
HEAT_STRIDE = 4  # pixels of a heat map's cell
BAND = 1 << 15  # pixels at once on a CPU: 19 float32 channels of them stay in a core's cache


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
    head_weights: tuple[float, ...] = ()  # of recipe cross_entropy's outputs; empty: one each
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()  # of a detector: width and height in pixels, by stride


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
    """As `pidnet_loss`, for a network all of whose outputs are logits, each a head's; nothing learns from `edge`."""
    losses = [label_loss(logits, label, config) for logits in outputs]
    if len(losses) == 1:
        return {"loss": losses[0]}
    weights = config.head_weights or (1.0,) * len(losses)
    parts = {f"head{i}": weight * loss for i, (weight, loss) in enumerate(zip(weights, losses, strict=True))}
    return {"loss": torch.stack(list(parts.values())).sum(), **parts}


def boxes_loss(
    outputs: Sequence[Tensor], label: Sequence[Tensor], edge: Tensor | None, config: LossConfig
) -> dict[str, Tensor]:
    """YOLOv5's loss; `label`: objects (n, 5) of each picture."""
    return detection_loss(outputs, label, torch.tensor(config.anchors))


def classification_loss(
    outputs: Sequence[Tensor], label: Sequence[Tensor], edge: Tensor | None, config: LossConfig
) -> dict[str, Tensor]:
    """Cross-entropy of logits (N, classes); `label`: the class (1,) of each picture."""
    weights = None if config.class_weights is None else torch.tensor(config.class_weights)
    logits = outputs[-1].float().flatten(1)
    return {"loss": F.cross_entropy(logits, torch.cat(list(label)), weights, label_smoothing=SMOOTHING)}


def points_loss(
    outputs: Sequence[Tensor], label: Sequence[Tensor], edge: Tensor | None, config: LossConfig
) -> dict[str, Tensor]:
    """Squared error of heat maps (N, points, h, w); `label`: of each picture (points, 4), as `PersonLabel.read`."""
    maps = outputs[-1]
    size = (maps.shape[2] * HEAT_STRIDE, maps.shape[3] * HEAT_STRIDE)
    return {"loss": heat_map_loss(maps, torch.stack(list(label)), size)}


Recipe = Callable[[Sequence[Tensor], Any, Any, LossConfig], dict[str, Tensor]]
RECIPES: dict[str, Recipe] = {
    "cross_entropy": semantic_loss,
    "pidnet": pidnet_loss,
    "yolov5": boxes_loss,
    "classification": classification_loss,
    "heat_maps": points_loss,
}
"""By `NetworkSpec.loss`: outputs of the train form, label, boundary map (of labels that have one) and settings -> parts
and their sum `loss`."""
RECIPE_OF_TASK = {
    "segmentation": "cross_entropy",
    "classification": "classification",
    "keypoints": "heat_maps",
    "detection": "yolov5",
}
"""Of labels in fine-tuning, where the predict form has the main output alone."""


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


def upsampled_nll(logits: Tensor, label: Tensor, align_corners: bool) -> Tensor:
    """Negative log likelihood (N, H, W) of each pixel's true class, 0 where ignored; call it outside of autocast.

    The logits never exist at label size. Bilinear upsampling of a channel is `down @ channel @ across.T`, two small
    matrices. A band of rows is upsampled, reduced to one number a pixel and dropped; the backward pass computes it
    again. On a CPU that takes a third of the time of interpolate and cross_entropy, whose full-size logits are mostly
    memory traffic, and next to no memory.

    Equal to `F.cross_entropy(F.interpolate(logits, (H, W), mode="bilinear", ...), label, reduction="none")` up to float
    rounding. `logits` (N, C, h, w) of any float type, reduced in float32 or wider; `label` int64 (N, H, W), 0 to C - 1
    or 255. Logits of the label's size are taken by torch's own cross-entropy.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    if logits.shape[2:] == label.shape[1:]:
        return F.cross_entropy(logits.to(wide), label, ignore_index=IGNORE, reduction="none")
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
