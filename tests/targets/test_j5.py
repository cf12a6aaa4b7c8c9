"""Each of J5's limits is broken by a module, and kept by its neighbour where there is one."""

from __future__ import annotations

import re
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
from qat.targets import J5, J5_PTQ, Target
from tests.graph.operators import SAMPLES, Net

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


class Added(nn.Module):
    """A strided convolution whose output is added to another."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.one, self.two = conv(stride=stride), nn.Sequential(conv(stride=stride), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.two(x)


class Unbatched(nn.Module):
    """A layer of four axes that gets three."""

    layer: Any = staticmethod(lambda: deconv())

    def __init__(self) -> None:
        super().__init__()
        self.inner = type(self).layer()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.reshape(x.shape[1:]))


class UnbatchedConv3d(Unbatched):
    layer = staticmethod(lambda: nn.Conv3d(1, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = x.reshape(4, 32, 32)
        return self.layer(y, y, y)[0]


BROKEN = (
    Broken("sum", "not N", lambda x: x.sum((0, 1), True), lambda x: x.sum((1, 2, 3), True)),
    Broken("mean", "not N", lambda x: x.mean(), lambda x: x.mean((1, -1), True)),
    Broken("mean", "keepdim", lambda x: x.mean(1), lambda x: x.mean(1, keepdim=True)),
    Broken("unsqueeze", "unsupported", lambda x: x.unsqueeze(1), lambda x: x),
    Broken("flatten", "no row", lambda x: torch.flatten(x, 1), lambda x: x.reshape(1, -1)),
    Broken("getitem", "unclear", lambda x: x[:, 1:], lambda x: torch.split(x, 2, 1)),
    *(Broken(op, "magnitude", getattr(torch, op)) for op in ("ceil", "floor")),
    Broken(
        "clamp", "at most 10 axes", lambda x: x.clamp(0, 1), lambda x: x.clamp(0, 1), (1,) * 11, legal_shape=(1,) * 10
    ),
    Broken("sub", "constant minuend", lambda x: 1 - x, lambda x: x - x.sigmoid()),
    Broken("conv2d", "kernel at most 31", conv(kernel=(1, 32)), conv(kernel=31), (1, 4, 64, 64)),
    Broken("conv2d", "C at most 8192", conv(8193), conv(8192), (1, 8193, 2, 16), legal_shape=(1, 8192, 2, 16)),
    Broken("conv2d", "padding at most 256", conv(padding=(0, 257)), conv(padding=256)),
    Broken("conv2d", "output C at most 8192", nn.Sequential(conv(4, 8193), nn.ReLU()), conv(4, 16384), (1, 4, 1, 16)),
    Broken("conv2d", "fused add at stride 1 or 2", Added(3), Added(2)),
    Broken(
        "conv2d",
        "kernel's values",
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
    Broken("conv_transpose2d", "rank 4", Unbatched(), deconv()),
    Broken("conv_transpose2d", "padding at most kernel / stride", deconv(kernel=3, stride=2, padding=2), deconv()),
    Broken(
        "conv_transpose2d", "kernel's values", deconv(8, 2048, 14), deconv(4, 4, 2), (1, 8, 2, 16), legal_shape=SHAPE
    ),
    Broken("Conv3d", "rank 5", UnbatchedConv3d(), None),
    Broken("MultiheadAttention", "composite", Attention()),
    Broken("linear", "features at most 8192", nn.Linear(32, 8193), nn.Linear(32, 8192)),
    Broken(
        "batch_norm", "after a convolution", nn.Sequential(nn.BatchNorm2d(4)), nn.Sequential(conv(), nn.BatchNorm2d(4))
    ),
    Broken(
        "batch_norm",
        "C at most 8192 alone",
        nn.BatchNorm2d(8193),
        nn.BatchNorm2d(8192),
        (1, 8193, 1, 16),
        legal_shape=(1, 8192, 1, 16),
    ),
    Broken("layer_norm", "composite", nn.LayerNorm(32)),
    Broken(
        "layer_norm",
        "H*W at most 16384",
        nn.LayerNorm(16),
        nn.LayerNorm(16),
        (1, 1, 1025, 16),
        legal_shape=(1, 1, 1024, 16),
    ),
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
    Broken("cat", "rank 4", lambda x: torch.cat([x.mean(1)] * 2, 1), lambda x: torch.cat([x, x], 1)),
    Broken(
        "cat",
        "N at most 4096",
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.cat([x, x], 1),
        (4097, 1, 2, 16),
        legal_shape=(4096, 1, 2, 16),
    ),
    Broken(
        "cat",
        "C, H and W at most 65536",
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.cat([x, x], 1),
        (1, 1, 2, 65552),
        legal_shape=(1, 1, 2, 65536),
    ),
    Broken(
        "argmax",
        "C, H and W at most 65535",
        lambda x: x.argmax(1),
        lambda x: x.argmax(1),
        (1, 1, 2, 65536),
        legal_shape=SHAPE,
    ),
    Broken("matmul", "C, H and W at most 8192", lambda x: x @ x.transpose(2, 3), None, (1, 1, 2, 8208)),
    *(Broken(op, "lookup table", getattr(torch, op)) for op in ("sigmoid", "tanh", "exp", "log", "sqrt")),
    Broken("silu", "lookup table", nn.SiLU()),
    Broken("gelu", "lookup table", nn.GELU()),
    Broken("argmax", "index only as an output", lambda x: x.argmax(1, True) + 1, lambda x: x.argmax(1, True)),
    Broken("grid_sample", "sampling mode", sample(mode="bicubic"), sample(mode="nearest")),
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
    assert before["error"] == 16
    assert {(found.op, found.severity) for found in after} == {("sigmoid", "warning"), ("batch_norm", "warning")}


@pytest.mark.parametrize("table", [J5, J5_PTQ], ids=lambda table: table.name)
def test_every_row_and_limit_cites_its_document_and_line(table: Target) -> None:
    """Or says how it is known otherwise."""
    document = {"j5": r"note\.md:\d+", "j5_ptq": r"supported_op_list\.md:\d+"}[table.name]
    for row in table.rows.values():
        assert re.fullmatch(document, row.source), row
        for limit in row.limits:
            source = table.source(row.op, limit)
            assert re.fullmatch(document, source) or "walkthrough" in source, (row.op, limit.name)


@pytest.mark.parametrize("op", SAMPLES)
def test_no_sample_of_an_operation_is_an_error_without_a_reason(op: str) -> None:
    """An operation with a row passes as its sample calls it, one without is a warning that says so."""
    found = [each for each in check(Net(SAMPLES[op]).eval(), torch.zeros(1, 4, 8, 8), "j5") if each.op == op]
    errors = [each for each in found if each.severity == "error"]
    assert bool(errors) == (op in (J5.fails or ())), errors
    if op not in J5.rows and not errors:
        assert "no row" in found[0].message
    assert all(each.document for each in found if op in J5.rows)
    on_the_other_road = check(Net(SAMPLES[op]).eval(), torch.zeros(1, 4, 8, 8), "j5_ptq")
    assert all(each.severity == "warning" for each in on_the_other_road)  # hb_mapper leaves it to the CPU


class QuickStart(nn.Module):
    """What the vendor's Bayes quick start is made of, and prints figures of."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)),
            *(nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)),
            *(nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32)),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(32, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


@pytest.mark.parametrize("target", ["j5", "j5_ptq"])
def test_the_vendors_quick_start_has_no_error(target: str) -> None:
    model, picture = QuickStart().eval(), torch.randn(1, 3, 224, 224)
    assert [found for found in check(model, picture, target) if found.severity == "error"] == []
    rewritten = rewrite(model, picture, target)
    assert [found for found in check(rewritten.module, picture, target) if found.severity == "error"] == []
    assert "tail" not in " ".join(found.message for found in check(rewritten.module, picture, target))


class Walkthrough(nn.Module):
    """PIDNet's places that the walkthrough rewrote: PagFM's sum and its minuend, Light_Bag's and DDFMv2's minuends."""

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(torch.sum(x * x, dim=1).unsqueeze(1))
        edge = torch.sigmoid(x)
        return (1 - gate) * x + gate * x + (1 - edge) * x + edge * x


def test_the_walkthroughs_rewrites_are_errors_before_and_none_after() -> None:
    picture = torch.randn(SHAPE)
    before = [found.op for found in check(Walkthrough(), picture, "j5") if found.severity == "error"]
    assert sorted(before) == ["sub", "sub", "unsqueeze"]
    after = check(rewrite(Walkthrough(), picture, "j5").module, picture, "j5")
    assert [found for found in after if found.severity == "error"] == []


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        (lambda x: x.argmax(2), "argmax along 2"),
        (lambda x: x.sum((1, 2), True), "sum over (1, 2)"),
        (lambda x: x.mean((1, 2), True), "mean over (1, 2)"),
        (lambda x: x.mean(1), "mean drops its axis"),
        (lambda x: F.interpolate(x, (48, 48)), "nearest from"),
        (lambda x: F.interpolate(x, (48, 48), mode="bicubic"), "mode bicubic"),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), "mode replicate"),
        (lambda x: torch.cat([x, x]), "it works along the batch"),
        (lambda x: x / 2, "div takes two computed tensors"),
        (nn.PReLU(), "prelu has no BPU row"),
        (nn.Softmax(1), "softmax runs on the CPU unless run_on_bpu names it"),
        (nn.GELU(), "j5_ptq's documents have no row for gelu"),
        (conv(kernel=2, dilation=3), "dilation (3, 3) of"),
        (conv(stride=257), "stride (257, 257) is above 256"),
        (nn.PixelShuffle(1), "pixel_shuffle by another factor than 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_hb_mapper_leaves_to_the_cpu(model: Any, limit: str) -> None:
    module = model if isinstance(model, nn.Module) else Fn(model)
    found = check(module, torch.zeros(SHAPE), "j5_ptq")
    assert any(limit in each.message and each.severity == "warning" for each in found), found


def test_pidnet_runs_on_the_bpu_alone() -> None:
    model, picture = build_model("pidnet_s", 19).eval(), torch.zeros(1).expand(1, 3, 1024, 2048)
    assert check(rewrite(model, picture, "j5_ptq", prove=False).module, picture, "j5_ptq") == []


@pytest.mark.parametrize("op", sorted(J5.missing))
def test_fixes_are_for_what_the_device_has_not(op: str) -> None:
    assert op not in J5.rows
