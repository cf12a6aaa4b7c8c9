"""Sizes, axes and resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.graph.rule_cases.case import Case, Refusal, convolution, norm


def resize(module: nn.Module, x: Tensor, **keywords: Any) -> Tensor:
    return F.interpolate(x, **keywords)


def up(x: Tensor, **settings: Any) -> Tensor:
    return F.interpolate(x, **({"size": (9, 11), "mode": "bilinear", "align_corners": False} | settings))


def twins(**settings: Any) -> Callable[..., Any]:
    """interpolate(conv(y)) and interpolate(y), the second maybe with other settings."""
    return lambda m, x: (up(m.c(x)), up(x, **settings))


def after_twin(module: nn.Module, x: Tensor) -> Tensor:
    early = up(x) * 2
    return early + up(module.c(x))


def bigger(x: Tensor) -> Any:
    size = x.shape[2]
    size += -4
    return size


def mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def two_readers(x: Tensor) -> Tensor:
    total = x.sum(1)
    return total.sigmoid().unsqueeze(1) * x + total.unsqueeze(1)


def reads_both(x: Tensor) -> Tensor:
    total = x.sum(1)
    return total.unsqueeze(1) * (total @ total.transpose(1, 2)).mean((1, 2), keepdim=True).unsqueeze(1)


CASES = (
    Case("constant_sizes", "shape", lambda m, x: F.interpolate(x, [x.shape[-2] // 2, x.shape[-1] * 2]), times=4),
    Case("constant_sizes", "size", lambda m, x: F.interpolate(x, x.size()[2:]), ("Tensor.size",)),
    Case("constant_sizes", "+=", lambda m, x: F.max_pool2d(x, bigger(x)), ("operator.iadd", "getattr"), times=2),
    Refusal("constant_sizes", "batch", lambda m, x: x.reshape(x.shape[0], -1), reason="batch size"),
    Refusal("constant_sizes", "output", lambda m, x: (x, x.shape[2]), reason="it is an output"),
    Case("interpolate_size", "factor", lambda m, x: resize(m, x, scale_factor=2)),
    Case("interpolate_size", "factor 1.5", lambda m, x: resize(m, x, scale_factor=1.5, mode="bilinear")),
    Case("interpolate_size", "recomputed", lambda m, x: resize(m, x, scale_factor=0.4, recompute_scale_factor=True)),
    Case(
        "interpolate_size", "corners", lambda m, x: resize(m, x, scale_factor=0.4, mode="bilinear", align_corners=True)
    ),
    Case(
        "interpolate_size", "layer", lambda m, x: m.up(x), ("nn.Upsample",), modules=lambda: {"up": nn.Upsample((3, 5))}
    ),
    Case(
        "interpolate_size",
        "bilinear layer",
        lambda m, x: m.up(x),
        ("nn.UpsamplingBilinear2d",),
        modules=lambda: {"up": nn.UpsamplingBilinear2d(scale_factor=3)},
    ),
    Refusal(
        "interpolate_size",
        "grid isn't the size's",
        lambda m, x: resize(m, x, scale_factor=0.4, mode="bilinear"),
        reason="(6, 8) times 0.4 is not whole",
    ),
    Case("keepdim", "sum and unsqueeze", lambda m, x: torch.sum(x, dim=1).unsqueeze(1), ("unsqueeze",)),
    Case("keepdim", "negative axis", lambda m, x: x.sum(-3)[:, None], ("getitem",)),
    Case("keepdim", "elementwise between", lambda m, x: (2 * x.sum(1).sigmoid()).unsqueeze(1), ("unsqueeze",)),
    Case("keepdim", "two readers", lambda m, x: two_readers(x), ("unsqueeze",)),
    Case("keepdim", "mean to four axes", lambda m, x: x.mean((2, 3)).unsqueeze(-1).unsqueeze(-1), ("unsqueeze",)),
    Case("keepdim", "view", lambda m, x: x.mean([2, 3]).view(2, 4, 1, 1), ("reshape",)),
    Case("keepdim", "amax", lambda m, x: torch.amax(x, 1).unsqueeze(1), ("unsqueeze",)),
    Case("keepdim", "argmax", lambda m, x: x.argmax(1).unsqueeze(1), ("unsqueeze",)),
    Refusal("keepdim", "not put back", lambda m, x: x.sum(1), reason="the axis isn't put back before output"),
    Refusal("keepdim", "read without", lambda m, x: reads_both(x), reason="isn't put back before transpose"),
    Refusal(
        "keepdim", "put back elsewhere", lambda m, x: x.mean(1).unsqueeze(2), reason="isn't put back before output"
    ),
    Refusal("keepdim", "all axes", lambda m, x: x * x.mean(), reason="every axis"),
    Case("reshape_pair", "unsqueeze and squeeze", lambda m, x: x.unsqueeze(1).squeeze(1) + 1, ("squeeze", "unsqueeze")),
    Case("reshape_pair", "flatten and view", lambda m, x: x.flatten(1).view(2, 4, 6, 8) + 1, ("flatten", "reshape")),
    Case("reshape_pair", "no change", lambda m, x: x.reshape(2, 4, 6, 8) * 2, ("reshape",)),
    Case("shared_interpolation", "1x1", twins(), modules=convolution(5, 1)),
    Case("shared_interpolation", "read before the convolution", after_twin, modules=convolution(4, 1)),
    Case(
        "shared_interpolation",
        "with its norm, grouped",
        lambda m, x: up(m.n(m.c(x)), mode="nearest", align_corners=None) * up(x, mode="nearest", align_corners=None),
        modules=lambda: {"c": nn.Conv2d(4, 4, 1, groups=2, bias=False), "n": norm()},
    ),
    Case(
        "shared_interpolation",
        "corners",
        lambda m, x: up(m.c(x), align_corners=True) + up(x, align_corners=True),
        modules=convolution(4, 1),
    ),
    Refusal("shared_interpolation", "3x3", twins(), modules=convolution(4, 3, padding=1), reason="neighbouring pixels"),
    Refusal(
        "shared_interpolation", "stride", twins(), modules=convolution(4, 1, stride=2), reason="neighbouring pixels"
    ),
    Refusal(
        "shared_interpolation",
        "bicubic",
        lambda m, x: up(m.c(x), mode="bicubic") + up(x, mode="bicubic"),
        modules=convolution(4, 1),
        reason="mode bicubic's weights",
    ),
    Refusal(
        "shared_interpolation",
        "read elsewhere",
        lambda m, x: (lambda y: (up(y), y, up(x)))(m.c(x)),
        modules=convolution(4, 1),
        reason="c is read elsewhere too",
    ),
    Case("broadcast", "expand_as", lambda m, x: x * mean(x).expand_as(x), ("expand_as",)),
    Case("broadcast", "expand", lambda m, x: mean(x).expand(-1, -1, 6, 8) + x, ("expand",)),
    Case("broadcast", "to computed sizes", lambda m, x: mean(x).expand(x.size()) + x, ("expand",)),
    Case("broadcast", "one axis", lambda m, x: x.mean(2, True).expand(-1, -1, 6, -1) * x),
    Case("broadcast", "no change", lambda m, x: (x * 2).expand_as(x).sigmoid(), ("expand_as",)),
    Refusal("broadcast", "read whole", lambda m, x: torch.cat([mean(x).expand_as(x), x], 1), reason="cat needs all of"),
    Refusal(
        "broadcast",
        "both sides",
        lambda m, x: (lambda y: y + y)(mean(x).expand_as(x)),
        reason="add needs all of (2, 4, 6, 8)",
    ),
    Refusal("broadcast", "output", lambda m, x: mean(x).expand_as(x), reason="output needs all of"),
)
