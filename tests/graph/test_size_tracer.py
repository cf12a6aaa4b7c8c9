"""Python code on sizes is decided by the example; on pixels and on the batch size it is refused."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.errors import UserError
from qat.graph import rewrite, trace
from qat.graph.nodes import op_name
from qat.graph.proof import TOLERANCE, difference, run
from tests.graph.test_trace import Untraceable as Function
from tests.graph.test_trace import line_of

SHAPE = (2, 8, 12, 16)


def checked_stride(x: Tensor) -> Tensor:
    """A U-Net's check of its input, as segmentation_models writes it."""
    height, width = x.shape[-2:]
    if height % 4 != 0 or width % 4 != 0:
        raise RuntimeError(f"wrong size {height}x{width}")
    return x * 2


def padded_like_timm(x: Tensor) -> Tensor:
    """timm's and DeepLab's SAME padding, computed from the picture."""
    height, width = x.size()[-2:]
    pads = [max((math.ceil(side / 2) - 1) * 2 + 3 - side, 0) for side in (height, width)]
    if any(pad > 0 for pad in pads):
        x = F.pad(x, [pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2])
    return F.max_pool2d(x, 3, 2)


def shuffled(x: Tensor) -> Tensor:
    """ShuffleNet's channel shuffle."""
    batch, channels, height, width = x.size()
    groups = 2
    assert channels % groups == 0
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


def split_units(x: Tensor) -> Tensor:
    """ShuffleNet's and Lite-HRNet's branches."""
    first, *others = x.split(x.shape[1] // 4, dim=1)
    parts = [part + i for i, part in enumerate(torch.chunk(torch.cat(others, dim=1), 3, dim=1))]
    return torch.cat([first, *reversed(parts)], dim=1)


def fused_like_hrnet(x: Tensor) -> Tensor:
    """HRNet resizes where sizes differ and checks what it got."""
    branches = [x, F.avg_pool2d(x, 2), F.avg_pool2d(x, 4)]
    assert all(isinstance(branch, Tensor) and branch.dim() == 4 for branch in branches)
    fused = branches[0]
    for branch in branches[1:]:
        if branch.shape[-2:] != fused.shape[-2:]:
            branch = F.interpolate(branch, size=fused.shape[-2:], mode="bilinear")
        fused = fused + branch
    return fused


def gated_like_lite_hrnet(x: Tensor) -> list[Tensor]:
    """Lite-HRNet's cross-resolution weighting pools to the smallest size."""
    branches = [x, F.avg_pool2d(x, 2)]
    height, width = (int(side) for side in branches[-1].size()[-2:])
    return [
        F.interpolate(F.adaptive_avg_pool2d(b, (height, width)), size=b.size()[-2:], mode="nearest") for b in branches
    ]


def pooled_like_bisenet(x: Tensor) -> Tensor:
    """BiSeNet's head upsamples to a size that Python computed."""
    size = [int(side) * 2 for side in x.shape[2:]]
    return F.interpolate(x.mean((2, 3), keepdim=True), size=size, mode="nearest") + F.interpolate(x, size=size)


def rolled_out_like_segformer(x: Tensor) -> Tensor:
    """SegFormer goes from maps to sequences and back."""
    batch, channels, height, width = x.shape
    sequence = x.flatten(2).transpose(1, 2)
    if isinstance(height, int) and not isinstance(sequence, list | tuple):
        sequence = sequence * float(channels) ** -0.5
    mixed: Tensor = sequence.permute(0, 2, 1).reshape(batch, -1, height, width)
    return mixed


def looped_over_rows(x: Tensor) -> Tensor:
    rows = [x[:, :, row] * (row + 1) for row in range(x.shape[2])]
    return torch.stack(rows[:: round(len(rows) / 2)], dim=2)


def membership(x: Tensor) -> Tensor:
    return x + 1 if x.shape[1] in (4, 8) and 16 in x.shape and len(x.shape) == 4 else x


def by_type(x: Tensor) -> Tensor:
    return x + 1 if x.dtype == torch.float32 and x.is_floating_point() else x


def real_windows(x: Tensor) -> Tensor:
    """Swin-like: the windows' size is an attribute, their number is computed."""
    height = x.shape[2]
    if pad := (5 - height % 5) % 5:
        x = F.pad(x, (0, 0, 0, pad))
    windows: Tensor = x.unflatten(2, (-1, 5))
    return windows.amax(3)


PATTERNS: list[Callable[[Tensor], Any]] = [
    checked_stride,
    padded_like_timm,
    shuffled,
    split_units,
    fused_like_hrnet,
    gated_like_lite_hrnet,
    pooled_like_bisenet,
    rolled_out_like_segformer,
    looped_over_rows,
    membership,
    by_type,
    real_windows,
]


@pytest.mark.parametrize("function", PATTERNS, ids=lambda function: str(function.__name__))
def test_sizes_are_decided_by_the_example(function: Callable[[Tensor], Any]) -> None:
    """The rewritten graph computes the same, on another batch size too."""
    torch.manual_seed(0)
    model = Function(function).eval()
    module = rewrite(model, torch.randn(SHAPE), "x86").module
    for batch in (1, 2, 3):
        x = torch.randn(batch, *SHAPE[1:])
        assert difference(run(model, [x]), run(module, [x])) <= TOLERANCE


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.pow(x, 2.0),
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: torch.clamp(x, x / 2, x),
        lambda x: torch.full((2, 2), 0.5) + x.mean() if isinstance(x, Tensor) else x,
        lambda x: x + torch.zeros(x.shape[2], 16) + torch.ones(1, 1, x.size(2), x.size(3)),
        lambda x: torch.remainder(x, 2.0) if not isinstance(x, list | nn.Parameter) else x,
    ],
)
def test_torch_s_functions_know_a_proxy(function: Callable[[Tensor], Any]) -> None:
    """Their C++ code asks for the class of what may be a tensor or a number; it would read a proxy's memory as one."""
    x = torch.rand(SHAPE)
    assert difference(function(x), trace(Function(function), x)(x)) <= TOLERANCE
    assert all("built-in" in repr(function) for function in (builtins.isinstance, torch.zeros))


def test_a_grid_for_each_picture_is_one_constant() -> None:
    """EdgeNeXt's: rows counted on a mask of the batch, through a convolution, added to every picture."""

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 1)

        def forward(self, x: Tensor) -> Tensor:
            mask = torch.ones((x.shape[0], 1, *x.shape[2:]), dtype=self.conv.weight.dtype).to(device=x.device)
            return x + self.conv(mask.cumsum(2).sin())

    model = Positions().eval()
    rewritten = rewrite(model, torch.randn(1, *SHAPE[1:]), "x86")
    assert not {"ones", "cumsum", "sin"} & {op_name(node) for node in rewritten.module.graph.nodes}
    x = torch.randn(3, *SHAPE[1:])
    assert difference(run(model, [x]), run(rewritten.module, [x])) <= TOLERANCE


def test_a_model_for_one_batch_size_only() -> None:
    """Whether a size changes with the batch isn't known there; it is decided all the same."""

    def fixed(x: Tensor) -> Tensor:
        y = x.reshape(2, 8, 12 * 16)
        return y * 2 if y.shape[2] % 4 == 0 else y

    x = torch.randn(SHAPE)
    assert difference(fixed(x), rewrite(Function(fixed), x, "x86").module(x)) <= TOLERANCE


def test_windows_that_python_computed_follow_the_picture() -> None:
    """Weights made from such a window would too, so its pooling stays one."""

    def pooled(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, int(x.shape[2]) // 4)

    result = rewrite(Function(pooled), torch.randn(SHAPE), "x86")
    assert "avg_pool2d" in [op_name(node) for node in result.module.graph.nodes]
    assert [refused.reason for refused in result.log.refused if "picture" in refused.reason]
    fixed = rewrite(Function(lambda x: F.avg_pool2d(x, 3)), torch.randn(SHAPE), "x86")
    assert "avg_pool2d" not in [op_name(node) for node in fixed.module.graph.nodes]


def test_what_served_decisions_only_is_gone() -> None:
    assert [op_name(node) for node in trace(Function(checked_stride), torch.zeros(SHAPE)).graph.nodes][-2:] == [
        "mul",
        "output",
    ]
    names = [op_name(node) for node in trace(Function(membership), torch.zeros(SHAPE)).graph.nodes]
    assert not {"eq", "mod", "ne"} & set(names)


def test_sizes_stay_computed_where_no_decision_needs_them() -> None:
    graph = trace(Function(shuffled), torch.zeros(SHAPE)).graph
    batch = next(node for node in graph.nodes if node.meta.get("batch") and op_name(node) == "getitem")
    assert {op_name(user) for user in batch.users} == {"reshape"}


def single(x: Tensor) -> Tensor:
    return x if x.shape[0] == 2 else x + 1


def counts(x: Tensor) -> Tensor:
    return torch.cat([x[:1] for _ in range(x.shape[0])])


def sums(x: Tensor) -> Tensor:
    while x.sum() > 1:
        x = x / 2
    return x


def integer(x: Tensor) -> Tensor:
    return x[:, : int(x.max())]


def arranged(x: Tensor) -> Tensor:
    if (x.new_zeros(x.shape[1:]) + 1).sum().item() > 3:
        return x
    return -x


def refused(x: Tensor) -> Tensor:
    assert x.shape[1] % 3 == 0, "three groups"
    return x


@pytest.mark.parametrize(
    ("function", "line", "text"),
    [
        (single, "x.shape[0] == 2", "batch size"),
        (counts, "range(x.shape[0])", "batch size"),
        (sums, "while x.sum() > 1", "torch.where"),
        (integer, "int(x.max())", "the value of a tensor"),
        (arranged, "if (x.new_zeros", "torch.where"),
        (refused, "assert x.shape[1]", "three groups; the model itself refuses the example"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_pixels_and_the_batch_size_are_refused(function: Any, line: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        trace(Function(function), torch.zeros(SHAPE))
    message = str(caught.value)
    assert f"tests/graph/test_size_tracer.py:{line_of(function, line)} `" in message
    assert text in message
    assert "\n" not in message
    assert ("torch.where" in message) == (text == "torch.where")


def test_a_failing_layer_names_its_line() -> None:
    """The layer fails when a later decision asks for its size."""

    class Undecided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(5, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(x * 2)
            return y if y.shape[1] == 4 else x

    with pytest.raises(UserError, match="doesn't take the example") as caught:
        trace(Undecided(), torch.zeros(SHAPE))
    assert f":{line_of(Undecided.forward, 'self.layer(x * 2)')}" in str(caught.value)
