"""Normalisation and layers that are called as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.graph.rule_cases.case import Case, Refusal, convolution, norm


def sum_layers(**others: nn.Module) -> Callable[[], dict[str, nn.Module]]:
    """What bn(a(x) + b(x)) is made of."""
    return lambda: {"a": nn.Conv2d(4, 4, 3, padding=1, bias=False), "b": nn.Conv2d(4, 4, 1), "n": norm()} | others


def norm_of_sum(module: nn.Module, x: Tensor) -> Tensor:
    return module.n(module.a(x) + module.b(x))


class OwnNorm(nn.BatchNorm2d):
    """A normalisation that applies its activation itself, by the function."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum or 0.0,
            self.eps,
        )
        return F.relu(y)


def own_norm(**settings: Any) -> OwnNorm:
    module = OwnNorm(4, **settings)
    module.load_state_dict(norm(**settings).state_dict())
    return module


class OwnConvolution(nn.Conv2d):
    """A convolution by the function, of settings that it got as numbers or words."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class OwnLinear(nn.Linear):
    """A linear map by the function."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def synced(**settings: Any) -> nn.SyncBatchNorm:
    module = nn.SyncBatchNorm(4, **settings)
    module.load_state_dict(norm(**settings).state_dict())
    return module


CASES = (
    Case("norm_into_sum", "two convolutions", norm_of_sum, ("nn.BatchNorm2d",), modules=sum_layers()),
    Case("norm_into_sum", "of norms", norm_of_sum, modules=sum_layers(a=norm(), b=norm())),
    Case(
        "norm_into_sum",
        "grouped, not affine",
        norm_of_sum,
        ("nn.BatchNorm2d",),
        modules=sum_layers(a=nn.Conv2d(4, 4, 1, groups=2), n=norm(affine=False)),
    ),
    Refusal(
        "norm_into_sum",
        "sum read twice",
        lambda m, x: (lambda y: m.n(y) + y)(m.a(x) + m.b(x)),
        modules=sum_layers(),
        reason="the sum is read elsewhere too",
    ),
    Refusal(
        "norm_into_sum",
        "alpha",
        lambda m, x: m.n(torch.add(m.a(x), m.b(x), alpha=2)),
        modules=sum_layers(),
        reason="alpha",
    ),
    Refusal(
        "norm_into_sum",
        "not a layer",
        lambda m, x: m.n(m.a(x) + x),
        modules=sum_layers(),
        reason="x is input, not a convolution or batch normalisation",
    ),
    Refusal(
        "norm_into_sum",
        "layer read elsewhere",
        lambda m, x: (lambda y: m.n(y + m.b(x)) * y)(m.a(x)),
        modules=sum_layers(),
        reason="a is used elsewhere too",
    ),
    Refusal(
        "norm_into_sum",
        "layer called twice",
        lambda m, x: m.n(m.b(x) + m.b(x * 2)),
        modules=sum_layers(),
        reason="b is used elsewhere too",
    ),
    Refusal(
        "norm_into_sum",
        "broadcast",
        lambda m, x: m.n(m.a(x) + m.b(F.avg_pool2d(x, (6, 8)))),
        modules=sum_layers(),
        reason="b is broadcast",
    ),
    Refusal(
        "norm_into_sum",
        "layer without weights",
        norm_of_sum,
        modules=sum_layers(a=norm(affine=False)),
        reason="a has no weights",
    ),
    Refusal(
        "norm_into_sum",
        "batch's statistics",
        norm_of_sum,
        modules=sum_layers(n=norm(track_running_stats=False)),
        reason="the batch's statistics",
    ),
    Case(
        "functional_norm",
        "subclass with an activation",
        lambda m, x: m.n(x),
        ("F.batch_norm",),
        modules=lambda: {"n": own_norm()},
    ),
    Case("functional_norm", "not affine", lambda m, x: m.n(x), modules=lambda: {"n": own_norm(affine=False)}),
    Case(
        "functional_norm",
        "by position, without a shift",
        lambda m, x: F.batch_norm(x, m.n.running_mean, m.n.running_var, m.n.weight, eps=0.1) + 1,
        modules=lambda: {"n": norm()},
    ),
    Refusal(
        "functional_norm",
        "batch's statistics",
        lambda m, x: F.batch_norm(x, None, None, m.n.weight, training=True),
        modules=lambda: {"n": norm()},
        reason="the batch's statistics",
    ),
    Refusal(
        "functional_norm",
        "computed",
        lambda m, x: F.batch_norm(x, m.n.running_mean, m.n.running_var, m.n.weight * x.mean()),
        modules=lambda: {"n": norm()},
        reason="its weight is computed",
    ),
    Refusal(
        "functional_norm",
        "three axes",
        lambda m, x: F.batch_norm(x.flatten(2), m.n.running_mean, m.n.running_var),
        modules=lambda: {"n": norm()},
        reason="hasn't four axes",
    ),
    Case(
        "functional_layer",
        "convolution of a subclass",
        lambda m, x: m.c(x),
        ("F.conv2d", "torch.conv2d"),
        modules=lambda: {"c": OwnConvolution(4, 6, (3, 2), 2, (1, 0), groups=2)},
    ),
    Case(
        "functional_layer",
        "padding by name",
        lambda m, x: m.c(x),
        modules=lambda: {"c": OwnConvolution(4, 4, 3, padding="same", dilation=2, bias=False)},
    ),
    Case(
        "functional_layer",
        "another layer's tensors",
        lambda m, x: F.conv2d(x, m.c.weight, m.c.bias, stride=(2,)),
        modules=convolution(4, 1),
    ),
    Case(
        "functional_layer",
        "a buffer, which isn't trained",
        lambda m, x: F.conv2d(x, m.offset, groups=1),
    ),
    Case("functional_layer", "linear", lambda m, x: m.f(x), modules=lambda: {"f": OwnLinear(8, 3)}),
    Refusal(
        "functional_layer",
        "computed",
        lambda m, x: F.conv2d(x, m.c.weight * x.mean()),
        modules=convolution(4, 1),
        reason="its weight is computed",
    ),
    Refusal(
        "functional_layer",
        "read twice",
        lambda m, x: F.conv2d(x, m.c.weight) + F.conv2d(x * 2, m.c.weight),
        modules=convolution(4, 1),
        reason="c.weight is read elsewhere too",
    ),
    Refusal(
        "functional_layer",
        "the layer is called too",
        lambda m, x: F.conv2d(m.c(x), m.c.weight),
        modules=convolution(4, 1),
        reason="c.weight is read elsewhere too",
    ),
    Refusal(
        "functional_layer",
        "one picture without a batch",
        lambda m, x: F.conv2d(x[0], m.c.weight),
        modules=convolution(4, 1),
        reason="hasn't four axes",
    ),
    Case("synced_norm", "affine", lambda m, x: m.n(x), ("SyncBatchNorm",), modules=lambda: {"n": synced()}),
    Case("synced_norm", "not affine", lambda m, x: m.n(x), modules=lambda: {"n": synced(affine=False)}),
    Case("synced_norm", "called twice", lambda m, x: m.n(m.n(x)), modules=lambda: {"n": synced()}),
    Refusal(
        "synced_norm",
        "three axes",
        lambda m, x: m.n(x.flatten(2)),
        modules=lambda: {"n": synced()},
        reason="hasn't four axes",
    ),
)
