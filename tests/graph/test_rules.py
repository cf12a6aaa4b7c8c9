"""The contract of every rewrite rule, over one list of small modules.

It fires where it should; the output is equal; a second run changes nothing; the operation that it removes is gone; it
refuses with the stated reason elsewhere. A rule without a case fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from qat.graph import rewrite, trace
from qat.graph.nodes import op_name, spelling
from qat.graph.proof import TOLERANCE, difference, run
from qat.graph.rules import RULES, Rule
from qat.targets import X86, Target

SHAPE = (2, 4, 6, 8)


class Fn(nn.Module):
    """A module that computes one function, with a buffer and a parameter to use."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("offset", torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1))
        self.weight = nn.Parameter(torch.ones(1, 4, 1, 1))
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


@dataclass(frozen=True)
class Case:
    """`function(module, x)` on which `rule` fires `times` times, after which the operations `gone` are gone."""

    rule: str
    name: str
    function: Callable[..., Any]
    gone: tuple[str, ...] = ()
    times: int = 1
    modules: Callable[[], dict[str, nn.Module]] = dict

    def build(self) -> nn.Module:
        torch.manual_seed(1)  # every time the same weights
        return Fn(self.function, **self.modules()).eval()


@dataclass(frozen=True)
class Refusal(Case):
    """`function` at which `rule` finds its pattern but refuses with a reason that contains `reason`."""

    reason: str = ""


def in_place_sum(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    kept = y
    y += x
    return kept - y


def relu_function(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 2
    z = F.relu(y, inplace=True)
    return y, z + 1


def relu_statement(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    y.relu_()
    return y


def torch_relu(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    torch.relu_(y)
    return y


def chained(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    y = x * 2
    y.mul_(3).add_(x).clamp_(0, 1)
    return (y,)


def shared_layer(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    y, z = x * 2, x * 3
    a = module.relu(y)
    b = module.relu(z)
    return a, b, y + z


def through_identity(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 2
    alias = y.contiguous()
    alias.add_(1)
    return y, alias


def slice_read_later(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    part = y[:, :2]
    y.relu_()
    return part


def whole_read_later(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    part = y[:, :2]
    part.relu_()
    return y


def slice_not_read_later(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    part = y[:, :2] + 0
    y.relu_()
    return part.sum() + y


def parameter_changed(module: nn.Module, x: Tensor) -> Tensor:
    module.weight.mul_(1)
    return x + module.weight


def promoted(module: nn.Module, x: Tensor) -> Tensor:
    y = (x * 2).half()
    y += x
    return y.float()


def resize(module: nn.Module, x: Tensor, **keywords: Any) -> Tensor:
    return F.interpolate(x, **keywords)


def norm(**settings: Any) -> nn.BatchNorm2d:
    """A batch normalisation of four channels as training leaves it; some gains are negative."""
    module = nn.BatchNorm2d(4, **settings)
    for name, low in (("weight", -1.0), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
        if getattr(module, name) is not None:
            nn.init.uniform_(getattr(module, name), low, 2.0)
    return module


def sum_layers(**others: nn.Module) -> Callable[[], dict[str, nn.Module]]:
    """What bn(a(x) + b(x)) is made of."""
    return lambda: {"a": nn.Conv2d(4, 4, 3, padding=1, bias=False), "b": nn.Conv2d(4, 4, 1), "n": norm()} | others


def norm_of_sum(module: nn.Module, x: Tensor) -> Tensor:
    return module.n(module.a(x) + module.b(x))


def up(x: Tensor, **settings: Any) -> Tensor:
    return F.interpolate(x, **({"size": (9, 11), "mode": "bilinear", "align_corners": False} | settings))


def twins(**settings: Any) -> Callable[..., Any]:
    """interpolate(conv(y)) and interpolate(y), the second maybe with other settings."""
    return lambda m, x: (up(m.c(x)), up(x, **settings))


def after_twin(module: nn.Module, x: Tensor) -> Tensor:
    early = up(x) * 2
    return early + up(module.c(x))


def convolution(*sizes: int, **settings: Any) -> Callable[[], dict[str, nn.Module]]:
    return lambda: {"c": nn.Conv2d(4, *sizes, **settings)}


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
    Case("in_place", "+= with another name", in_place_sum, ("operator.iadd",)),
    Case("in_place", "F.relu inplace", relu_function),
    Case("in_place", "statement", relu_statement, ("Tensor.relu_",)),
    Case("in_place", "torch.relu_", torch_relu, ("torch.relu_",)),
    Case("in_place", "chain", chained, ("Tensor.mul_", "Tensor.add_", "Tensor.clamp_"), times=3),
    Case("in_place", "shared layer", shared_layer, modules=lambda: {"relu": nn.ReLU(inplace=True)}),
    Case("in_place", "another name of all of it", through_identity, ("Tensor.add_",)),
    Case("in_place", "view not read later", slice_not_read_later, ("Tensor.relu_",)),
    Refusal("in_place", "slice read later", slice_read_later, reason="getitem is another view of mul and is read"),
    Refusal("in_place", "slice changed, whole read", whole_read_later, reason="mul is another view of getitem"),
    Refusal("in_place", "parameter", parameter_changed, reason="the model's own tensor weight"),
    Refusal("in_place", "no plain form", lambda m, x: (x * 2).zero_() + x, reason="no plain form of Tensor.zero_"),
    Refusal("in_place", "types differ", promoted, reason="types differ (torch.float16 and torch.float32)"),
    Case(
        "identity",
        "dropout and identity",
        lambda m, x: m.idle(m.drop(x)) + 1,
        ("nn.Identity", "nn.Dropout"),
        times=2,
        modules=lambda: {"drop": nn.Dropout(), "idle": nn.Identity()},
    ),
    Case("identity", "F.dropout", lambda m, x: F.dropout(x, training=m.training) + 1, ("dropout",)),
    Refusal("identity", "dropout that is on", lambda m, x: F.dropout(x, p=0.0), reason="on in eval mode"),
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
    Case("spelling", "x.add(y)", lambda m, x: x.add(x * 2), ("Tensor.add",)),
    Case("spelling", "x.mul(y)", lambda m, x: x.mul(x + 2), ("Tensor.mul",)),
    Case("spelling", "@", lambda m, x: x @ x.transpose(2, 3), ("operator.matmul",)),
    Case("spelling", "torch.relu", lambda m, x: torch.relu(x * 2), ("torch.relu",)),
    Case("spelling", "torch.reshape", lambda m, x: torch.reshape(x, (-1, 48)), ("torch.reshape",)),
    Case("spelling", "view", lambda m, x: x.view(-1, 48) * 2, ("Tensor.view",)),
    Case("spelling", "torch.permute", lambda m, x: torch.permute(x, (0, 2, 3, 1)), ("torch.permute",)),
    Case("spelling", "flatten", lambda m, x: x.flatten(1), ("Tensor.flatten",)),
    Case("spelling", "Flatten", lambda m, x: m.f(x), ("nn.Flatten",), modules=lambda: {"f": nn.Flatten(2)}),
    Case("spelling", "concat", lambda m, x: torch.concat([x, x], dim=1), ("torch.concat",)),
    Case("spelling", "clip", lambda m, x: torch.clip(x, 0, 1) + x.clip(max=2), ("torch.clip", "Tensor.clip"), times=2),
    Refusal("spelling", "alpha", lambda m, x: x.add(x, alpha=2), reason="alpha"),
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
    Case("constant_minuend", "1 - x", lambda m, x: 1 - x, ("sub",)),
    Case("constant_minuend", "0.5 - x", lambda m, x: (0.5 - x.sigmoid()) * x, ("sub",)),
    Case("constant_minuend", "rsub", lambda m, x: torch.rsub(x, 3), ("rsub",)),
    Case("constant_minuend", "buffer", lambda m, x: m.offset - x, ("sub",)),
    Case("constant_minuend", "twice", lambda m, x: 1 - (1 - x), ("sub",), times=2),
    Refusal("constant_minuend", "trained", lambda m, x: m.weight - x, reason="weight is trained"),
    Refusal("constant_minuend", "alpha", lambda m, x: torch.rsub(x, 3, alpha=2), reason="alpha"),
    Case("negation", "-x", lambda m, x: -x + torch.neg(x), ("neg",), times=2),
    Case("subtraction", "x - 2", lambda m, x: x - 2, ("sub",)),
    Case("subtraction", "x - y", lambda m, x: x - x.sigmoid(), ("sub",)),
    Case("subtraction", "x - buffer", lambda m, x: x - m.offset, ("sub",)),
    Refusal("subtraction", "alpha", lambda m, x: torch.sub(x, x, alpha=2), reason="alpha"),
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
    Case(
        "same_padding",
        "same",
        lambda m, x: m.c(x),
        modules=lambda: {"c": nn.Conv2d(4, 4, (3, 5), padding="same", dilation=2)},
    ),
    Case("same_padding", "valid", lambda m, x: m.c(x), modules=convolution(4, 2, padding="valid")),
    Case("same_padding", "called twice", lambda m, x: m.c(m.c(x)), modules=convolution(4, 3, padding="same")),
    Refusal("same_padding", "even", lambda m, x: m.c(x), modules=convolution(4, 2, padding="same"), reason="pads by 1"),
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
    Case("zero_pad", "function", lambda m, x: F.pad(x, (0, 0, 0, 0)) * 2, ("pad",)),
    Case("zero_pad", "layer", lambda m, x: m.p(x) * 2, ("pad_layer",), modules=lambda: {"p": nn.ZeroPad2d(0)}),
    Case(
        "zero_pad",
        "reflection",
        lambda m, x: m.p(x) * 2,
        ("pad_reflect",),
        modules=lambda: {"p": nn.ReflectionPad2d(0)},
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
    Case("alpha", "add", lambda m, x: torch.add(x, x.sigmoid(), alpha=3)),
    Case("alpha", "add a number", lambda m, x: torch.add(x, 2, alpha=3)),
    Case("alpha", "method", lambda m, x: x.add(x.sigmoid(), alpha=0.5)),
    Case("alpha", "sub", lambda m, x: x.sub(x.sigmoid(), alpha=-2)),
    Case("alpha", "rsub", lambda m, x: torch.rsub(x, 3, alpha=2), ("rsub",)),
    Case("alpha", "rsub of a tensor", lambda m, x: torch.rsub(x, x.sigmoid(), alpha=2), ("rsub",)),
    Refusal(
        "alpha",
        "integers",
        lambda m, x: torch.add(x, x.argmax(1, keepdim=True), alpha=2),
        reason="argmax holds integers",
    ),
    Case("reciprocal", "x / 6", lambda m, x: F.relu6(x + 3) / 6, ("div",)),
    Case("reciprocal", "torch.div", lambda m, x: torch.div(x, -0.3), ("div",)),
    Refusal("reciprocal", "rounds", lambda m, x: torch.div(x, 2, rounding_mode="floor"), reason="it rounds (floor)"),
    Refusal("reciprocal", "integers", lambda m, x: x.argmax(1) / 2, reason="it divides integers"),
    Refusal("reciprocal", "tiny", lambda m, x: x / 1e-39, reason="float32 has no reciprocal of 1e-39"),
    Case("quant_stub", "input read twice", lambda m, x: x * 2 + x),
    Case("dequant_stub", "nested outputs", lambda m, x: {"a": x * 2, "b": [x + 1, (x + 2, x.argmax(1))]}),
    Case("dequant_stub", "one tensor twice", lambda m, x: (lambda y: (y, [y]))(x * 2)),
)
FIRING = [case for case in CASES if not isinstance(case, Refusal)]
REFUSING = [case for case in CASES if isinstance(case, Refusal)]
BY_NAME = {rule.name: rule for rule in RULES}


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


def only(rule: str) -> Target:
    """A target that needs one rule."""
    return replace(X86, rules=frozenset({rule}))


def title(case: Case) -> str:
    return f"{case.rule}: {case.name}"


@pytest.fixture
def x() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", FIRING, ids=title)
def test_fires_and_removes_what_it_is_for(case: Case, x: Tensor) -> None:
    result = rewrite(case.build(), x, only(case.rule))
    assert [entry.rule for entry in result.log.fired] == [case.rule] * case.times
    assert result.log.refused == ()
    assert all(entry.what and "test_rules.py:" in entry.source for entry in result.log.fired)
    nodes = list(result.module.graph.nodes)
    assert not any(BY_NAME[case.rule].match(node) for node in nodes)
    assert not {*case.gone} & {name for node in nodes for name in (op_name(node), spelling(node))}


@pytest.mark.parametrize("case", FIRING, ids=title)
def test_keeps_the_function(case: Case, x: Tensor) -> None:
    result = rewrite(case.build(), x, only(case.rule))
    assert [proof.rule for proof in result.log.proofs][:2] == ["trace", case.rule]
    assert all(proof.difference <= proof.tolerance == TOLERANCE for proof in result.log.proofs)
    other = x.flip(0) * 3 - 1
    assert difference(run(case.build(), [other]), run(result.module, [other])) <= TOLERANCE


@pytest.mark.parametrize("case", FIRING, ids=title)
def test_second_run_changes_nothing(case: Case, x: Tensor) -> None:
    first = rewrite(case.build(), x, only(case.rule))
    second = rewrite(first.module, x, only(case.rule))
    assert second.log.fired == ()
    assert second.module.code == first.module.code


@pytest.mark.parametrize("case", REFUSING, ids=title)
def test_refuses_with_a_reason(case: Refusal, x: Tensor) -> None:
    result = rewrite(case.build(), x, only(case.rule))
    assert result.log.fired == ()
    assert [entry.rule for entry in result.log.refused] == [case.rule] * len(result.log.refused)
    assert case.reason in " ".join(entry.reason for entry in result.log.refused)
    assert all("test_rules.py:" in entry.source for entry in result.log.refused)
    assert difference(run(case.build(), [x]), run(result.module, [x])) == 0


def test_one_interpolation_is_left(x: Tensor) -> None:
    result = rewrite(Fn(twins(), **convolution(5, 1)()).eval(), x, only("shared_interpolation"))
    assert [op_name(node) for node in result.module.graph.nodes].count("interpolate") == 1


def test_a_view_of_the_bits_is_left(x: Tensor) -> None:
    result = rewrite(Fn(lambda m, y: y.view(torch.int32)).eval(), x, only("spelling"))
    assert (result.log.fired, result.log.refused) == ((), ())


@pytest.mark.parametrize("settings", [{"size": (9, 12)}, {"align_corners": True}, {"mode": "bicubic"}])
def test_interpolations_that_differ_are_left(settings: dict[str, Any], x: Tensor) -> None:
    result = rewrite(Fn(twins(**settings), **convolution(4, 1)()).eval(), x, only("shared_interpolation"))
    assert (result.log.fired, result.log.refused) == ((), ())


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in FIRING} == set(BY_NAME)


def test_every_rule_that_can_refuse_has_a_refusal() -> None:
    assert {case.rule for case in REFUSING} == {rule.name for rule in RULES if rule.check is not Rule.check}


def state(module: fx.GraphModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_match_and_check_only_look(case: Case, x: Tensor) -> None:
    """So that a refusal, whenever it comes, leaves the graph, the weights and the layers' settings as they were."""
    module, rule = trace(case.build(), x), BY_NAME[case.rule]
    module.recompile()
    code, before, settings = module.code, state(module), str(module)
    reasons = [rule.check(node) for node in module.graph.nodes if rule.match(node)]
    module.recompile()
    assert reasons
    assert (module.code, str(module)) == (code, settings)
    assert all(torch.equal(value, before[name]) for name, value in state(module).items())
    assert isinstance(case, Refusal) == all(reasons)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_why_and_shows_before_and_after(rule: Any) -> None:
    import sys

    text = sys.modules[rule.match.__module__].__doc__
    assert rule.reason
    assert "before:" in text
    assert "after:" in text
