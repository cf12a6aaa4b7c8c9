"""Each of J5's limits is broken by a module, and kept by its neighbour where there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.graph import check, rewrite
from qat.models import build_model
from qat.targets import J5

SHAPE = (1, 4, 32, 32)


class Fn(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@dataclass(frozen=True)
class Broken:
    """A model that breaks the limit of an operation on an input of `shape`; `legal` is one that doesn't."""

    op: str
    limit: str
    model: Any
    legal: Any = None
    shape: tuple[int, ...] = SHAPE
    rewritten: bool = False
    legal_shape: tuple[int, ...] = ()


def conv(cin: int = 4, cout: int = 4, kernel: Any = 1, **keywords: Any) -> nn.Module:
    return nn.Conv2d(cin, cout, kernel, bias=False, **keywords)


def deconv(cin: int = 4, cout: int = 4, kernel: Any = 2, **keywords: Any) -> nn.Module:
    return nn.ConvTranspose2d(cin, cout, kernel, bias=False, **keywords)


def resize(**keywords: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.interpolate(x, **keywords)


def sample(**keywords: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.grid_sample(x, x[:, :, :2, :2].transpose(1, 3)[..., :2], align_corners=False, **keywords)


BROKEN = (
    Broken("sum", "rank 4", lambda x: x.sum(1), lambda x: x.sum(1, keepdim=True)),
    Broken("relu", "rank 4", nn.ReLU(), nn.ReLU(), (1, 2, 4, 6, 16), legal_shape=SHAPE),
    Broken("relu", "H, W and C at most 65536", nn.ReLU(), nn.ReLU(), (1, 1, 2, 65552), legal_shape=(1, 1, 2, 65536)),
    Broken("relu", "N at most 4096", nn.ReLU(), nn.ReLU(), (4097, 1, 2, 16), legal_shape=(4096, 1, 2, 16)),
    Broken("sum", "one axis, or H and W", lambda x: x.sum((1, 2), True), lambda x: x.sum((2, 3), True)),
    Broken("mean", "one axis, or H and W", lambda x: x.mean(), lambda x: x.mean(-1, True)),
    Broken("mean", "keepdim", lambda x: x.mean(1), lambda x: x.mean(1, keepdim=True)),
    Broken("unsqueeze", "unsupported", lambda x: x.unsqueeze(1), lambda x: x),
    Broken("sub", "constant minuend", lambda x: 1 - x, lambda x: x - x.sigmoid()),
    Broken("conv2d", "kernel at most 31", conv(kernel=(1, 32)), conv(kernel=31), (1, 4, 64, 64)),
    Broken("conv2d", "C at most 8192", conv(8193), conv(8192), (1, 8193, 2, 16), legal_shape=(1, 8192, 2, 16)),
    Broken("conv2d", "padding at most 256", conv(padding=(0, 257)), conv(padding=256)),
    Broken("conv2d", "stride at most 256", conv(stride=257), conv(stride=256)),
    Broken(
        "conv2d",
        "C*kh*kw at most 65535",
        conv(8192, 1, (3, 3)),
        conv(8192, 64, 3, groups=64),
        (1, 8192, 4, 16),
    ),
    Broken("conv2d", "dilation at most 16", conv(kernel=2, dilation=17), conv(kernel=2, dilation=16)),
    Broken("conv2d", "dilation at stride 1", conv(kernel=2, dilation=2, stride=2), conv(kernel=2, dilation=2)),
    Broken("conv_transpose2d", "N at most 128", deconv(), deconv(), (129, 4, 2, 16), legal_shape=(128, 4, 2, 16)),
    Broken("conv_transpose2d", "C at most 2048", deconv(4, 2049), deconv(4, 2048)),
    Broken("conv_transpose2d", "kernel 2 to 14, at least the stride", deconv(kernel=15), deconv(kernel=14)),
    Broken("conv_transpose2d", "kernel 2 to 14, at least the stride", deconv(kernel=2, stride=3), deconv(stride=2)),
    Broken("conv_transpose2d", "stride at most 14", deconv(kernel=14, stride=15), deconv(kernel=14, stride=14)),
    Broken("conv_transpose2d", "dilation at most 1", deconv(dilation=2), deconv(dilation=1)),
    Broken(
        "conv_transpose2d",
        "output_padding at most 1",
        deconv(kernel=4, stride=4, output_padding=2),
        deconv(kernel=4, stride=4, output_padding=1),
    ),
    Broken("linear", "features at most 8192", nn.Linear(32, 8193), nn.Linear(32, 8192)),
    Broken(
        "batch_norm", "after a convolution", nn.Sequential(nn.BatchNorm2d(4)), nn.Sequential(conv(), nn.BatchNorm2d(4))
    ),
    Broken("layer_norm", "composite", nn.LayerNorm(32)),
    Broken("softmax", "composite", nn.Softmax(1)),
    Broken("interpolate", "mode", resize(size=[4, 4], mode="bicubic"), resize(size=[4, 4], mode="bilinear")),
    Broken("interpolate", "corners", resize(size=[4, 4], mode="bilinear", align_corners=True), resize(size=[4, 4])),
    Broken("interpolate", "constant size", lambda x: F.interpolate(x, [x.shape[2] // 2, 4]), resize(size=4)),
    Broken(
        "interpolate",
        "recomputed factor",
        resize(scale_factor=2),
        resize(scale_factor=2, recompute_scale_factor=True),
    ),
    Broken("interpolate", "recomputed factor", nn.Upsample(scale_factor=2), nn.Upsample((4, 4))),
    Broken(
        "interpolate", "C, H and W at most 8192", resize(size=4), resize(size=4), (1, 1, 2, 8208), legal_shape=SHAPE
    ),
    Broken(
        "avg_pool2d", "kernel_size at most 256", nn.AvgPool2d(257, 1, 128), nn.AvgPool2d(256, 1, 128), (1, 1, 64, 64)
    ),
    Broken("avg_pool2d", "stride at most 256", nn.AvgPool2d(1, 257), nn.AvgPool2d(1, 256)),
    Broken("avg_pool2d", "padding at most 256", nn.AvgPool2d(514, 1, 257), None),
    Broken("adaptive_avg_pool2d", "emulated", nn.AdaptiveAvgPool2d(2)),
    Broken("max_pool2d", "kernel_size at most 256", nn.MaxPool2d(257, 1, 128), nn.MaxPool2d(256, 1, 128)),
    Broken("max_pool2d", "stride at most 256", nn.MaxPool2d(1, 257), nn.MaxPool2d(1, 256)),
    Broken("max_pool2d", "padding at most 255", nn.MaxPool2d(512, 1, 256), None),
    Broken(
        "max_pool2d", "C, H and W at most 8192", nn.MaxPool2d(2), nn.MaxPool2d(2), (1, 1, 2, 8208), legal_shape=SHAPE
    ),
    Broken("add", "one operand broadcasts", lambda x: x[:, :1] + x[:, :, :1], lambda x: x[:, :1] + x),
    Broken("mul", "no broadcast on N", lambda x: x[:1] * x, lambda x: x * x, (2, 4, 32, 32)),
    Broken("add", "in place", lambda x: x.relu().add_(1), lambda x: x.relu() + 1),
    Broken("relu", "in place", nn.ReLU(inplace=True), nn.ReLU()),
    Broken("div", "int16 only", lambda x: x / x.relu()),
    Broken("cat", "2 to 1024 inputs", lambda x: torch.cat([x], 1), lambda x: torch.cat([x, x], 1)),
    Broken(
        "cat", "2 to 1024 inputs", lambda x: torch.cat([x] * 1025, 2), lambda x: torch.cat([x] * 1024, 2), (1, 1, 2, 16)
    ),
    Broken("cat", "not on N", lambda x: torch.cat([x, x]), lambda x: torch.cat([x, x], -3)),
    Broken("matmul", "C, H and W at most 8192", lambda x: x @ x.transpose(2, 3), None, (1, 1, 2, 8208)),
    *(Broken(op, "lookup table", getattr(torch, op)) for op in ("sigmoid", "tanh", "exp", "log", "sqrt")),
    Broken("silu", "lookup table", nn.SiLU()),
    Broken("gelu", "lookup table", nn.GELU()),
    Broken("argmax", "index only as an output", lambda x: x.argmax(1, True) + 1, lambda x: x.argmax(1, True)),
    Broken("argmax", "axis 1", lambda x: x.argmax(2, True), lambda x: x.argmax(1, True)),
    Broken("argmax", "axis 1", lambda x: x.argmax(), lambda x: x.argmax(-3, True)),
    Broken("max", "axis 1", lambda x: torch.max(x, 3, True), lambda x: torch.max(x, 1, True)),
    Broken(
        "argmax",
        "C at most 64",
        lambda x: x.argmax(1, True),
        lambda x: x.argmax(1, True),
        (1, 65, 2, 16),
        legal_shape=(1, 64, 2, 16),
    ),
    Broken("grid_sample", "padding mode", sample(padding_mode="reflection"), sample(padding_mode="border")),
    Broken(
        "grid_sample",
        "H and W at most 1024, H*W at most 720*1024",
        sample(),
        sample(),
        (1, 4, 16, 1040),
        legal_shape=(1, 4, 720, 1024),
    ),
    Broken("pad", "mode", lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), lambda x: F.pad(x, (1, 1))),
    Broken("transpose", "not N", lambda x: x.transpose(0, 1), lambda x: x.transpose(1, 2)),
    Broken("dequant_stub", "int32 at the tail", nn.Sigmoid(), conv(), rewritten=True),
    Broken("dequant_stub", "ReLU at the tail", nn.Sequential(conv(), nn.ReLU()), conv(), rewritten=True),
    Broken("input", "pyramid input", nn.ReLU(), nn.ReLU(), (1, 3, 32, 24), legal_shape=(1, 3, 32, 48)),
    Broken("input", "pyramid input", nn.ReLU(), nn.ReLU(), (1, 3, 33, 48), legal_shape=(1, 3, 34, 48)),
)


def limits_broken(model: Any, shape: tuple[int, ...], rewritten: bool) -> set[tuple[str, str, str]]:
    """(op, limit, severity) of every violation: a limit is known by its fix."""
    module = model if isinstance(model, nn.Module) else Fn(model)
    x = torch.zeros(1).expand(shape)
    if rewritten:
        module = rewrite(module, x, "j5").module
    return {
        (found.op, limit.name, limit.severity)
        for found in check(module, x, "j5")
        for limit in J5.limits(found.op)
        if (limit.fix, limit.severity) == (found.fix, found.severity) and _says(limit.message, found.message)
    }


def _says(template: str, message: str) -> bool:
    """Whether `message` is `template` filled in, as far as the text before its first field tells."""
    return message.startswith(template.partition("{")[0]) and message.endswith(template.rpartition("}")[2])


def title(case: Broken) -> str:
    return f"{case.op}: {case.limit}"


@pytest.mark.parametrize("case", BROKEN, ids=title)
def test_broken_limit_is_found(case: Broken) -> None:
    assert (case.op, case.limit) in {found[:2] for found in limits_broken(case.model, case.shape, case.rewritten)}


@pytest.mark.parametrize("case", [case for case in BROKEN if case.legal is not None], ids=title)
def test_kept_limit_is_not(case: Broken) -> None:
    found = limits_broken(case.legal, case.legal_shape or case.shape, case.rewritten)
    assert (case.op, case.limit) not in {entry[:2] for entry in found}


def test_every_limit_has_a_case() -> None:
    """Limits that rows share need one case."""
    shared: dict[int, set[str]] = {}
    for op in (*J5.rows, "unsqueeze"):
        for limit in J5.limits(op):
            shared.setdefault(id(limit) if limit.name != "unsupported" else 0, set()).add(f"{op}: {limit.name}")
    tested = {title(case) for case in BROKEN}
    assert [names for names in shared.values() if not names & tested] == []


@pytest.mark.parametrize("name", ["pidnet_s", "pidnet_m", "pidnet_l"])
def test_pidnet_at_the_cameras_size(name: str) -> None:
    """Computed sizes, constant minuends, dropped axes: errors until the rewrites; lookup tables and BN stay."""
    model, picture = build_model(name, 19).eval(), torch.zeros(1).expand(1, 3, 1024, 2048)
    before = Counter(found.severity for found in check(model, picture, "j5"))
    after = check(rewrite(model, picture, "j5", prove=False).module, picture, "j5")
    assert before["error"] == 20
    assert {(found.op, found.severity) for found in after} == {("sigmoid", "warning"), ("batch_norm", "warning")}


@pytest.mark.parametrize("op", sorted(J5.missing))
def test_fixes_are_for_what_the_device_has_not(op: str) -> None:
    assert op not in J5.rows
