"""Pooling, means, sums over channels and padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.graph.rule_cases.case import Case, Refusal, convolution

CASES = (
    Case(
        "pool_convolution", "module", lambda m, x: m.p(x), ("avg_pool2d",), modules=lambda: {"p": nn.AvgPool2d(3, 2, 1)}
    ),
    Case(
        "pool_convolution",
        "as large as the picture, by the network's choice",
        lambda m, x: m.p(x),
        ("avg_pool2d",),
        modules=lambda: {"p": nn.AvgPool2d((6, 8))},
    ),
    Case("pool_convolution", "function", lambda m, x: F.avg_pool2d(x, (4, 5), (1, 2)), ("avg_pool2d",)),
    Refusal(
        "pool_convolution", "few", lambda m, x: F.avg_pool2d(x, (2, 4)), reason="a mean of 8 values fills the grid"
    ),
    Refusal(
        "pool_convolution",
        "edges",
        lambda m, x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        reason="its divisor isn't the same everywhere",
    ),
    Case("adaptive_pool", "to one", lambda m, x: m.p(x), modules=lambda: {"p": nn.AdaptiveAvgPool2d((1, 1))}),
    Case("adaptive_pool", "function", lambda m, x: F.adaptive_avg_pool2d(x, 1), ("adaptive_avg_pool2d",)),
    Case("adaptive_pool", "divides", lambda m, x: m.p(x), modules=lambda: {"p": nn.AdaptiveAvgPool2d((3, None))}),
    Case("adaptive_pool", "overlaps evenly", lambda m, x: F.adaptive_avg_pool2d(x[:, :, :5], (2, 4))),
    Case("adaptive_pool", "maximum", lambda m, x: m.p(x), modules=lambda: {"p": nn.AdaptiveMaxPool2d(2)}),
    Refusal(
        "adaptive_pool", "irregular", lambda m, x: F.adaptive_avg_pool2d(x, (4, 8)), reason="6 values into 4 windows"
    ),
    Refusal(
        "adaptive_pool",
        "indices",
        lambda m, x: m.p(x),
        reason="indices",
        modules=lambda: {"p": nn.AdaptiveMaxPool2d(2, return_indices=True)},
    ),
    Case("spatial_mean", "method", lambda m, x: x.mean((2, 3), keepdim=True), ("mean",)),
    Case("spatial_mean", "function, axes from the end", lambda m, x: torch.mean(x, [-1, -2], True) * x, ("mean",)),
    Refusal("spatial_mean", "drops axes", lambda m, x: x.mean((2, 3)), reason="keepdim=True"),
    Case("channel_sum", "function", lambda m, x: torch.sum(x, dim=1, keepdim=True).sigmoid() * x, ("sum",)),
    Case("channel_sum", "two, axis from the end", lambda m, x: x.sum(-3, True) + x.sum([1], True), ("sum",), times=2),
    Refusal("channel_sum", "height", lambda m, x: x.sum(2, keepdim=True), reason="not 2 of shape (2, 4, 6, 8)"),
    Refusal("channel_sum", "drops the axis", lambda m, x: x.sum(1), reason="drops the channel axis"),
    Case(
        "same_padding",
        "same",
        lambda m, x: m.c(x),
        modules=lambda: {"c": nn.Conv2d(4, 4, (3, 5), padding="same", dilation=2)},
    ),
    Case("same_padding", "valid", lambda m, x: m.c(x), modules=convolution(4, 2, padding="valid")),
    Case("same_padding", "called twice", lambda m, x: m.c(m.c(x)), modules=convolution(4, 3, padding="same")),
    Refusal("same_padding", "even", lambda m, x: m.c(x), modules=convolution(4, 2, padding="same"), reason="pads by 1"),
    Case("zero_pad", "function", lambda m, x: F.pad(x, (0, 0, 0, 0)) * 2, ("pad",)),
    Case("zero_pad", "layer", lambda m, x: m.p(x) * 2, ("pad_layer",), modules=lambda: {"p": nn.ZeroPad2d(0)}),
    Case(
        "zero_pad",
        "reflection",
        lambda m, x: m.p(x) * 2,
        ("pad_reflect",),
        modules=lambda: {"p": nn.ReflectionPad2d(0)},
    ),
    Case(
        "empty_part",
        "one is left",
        lambda m, x: torch.cat([x, torch.empty(x.shape[0], 0, *x.shape[2:])], 1) * 2,
        ("cat",),
    ),
    Case("empty_part", "several are left", lambda m, x: torch.cat([x, x[:, :0], x * 2], 1)),
)
