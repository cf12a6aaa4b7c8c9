"""What public networks write around their layers: gates of one pixel, expansions, constants, copies, batch sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.graph.rule_cases.case import Case, Refusal, norm


def changed_copy(module: nn.Module, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :2].zero_()
    return y


def grid(module: nn.Module, x: Tensor) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing="ij")
    return x * torch.stack((rows, columns)).sum(0) + rows


def pool(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, 1)


def gate_layers() -> dict[str, nn.Module]:
    return {"down": nn.Linear(4, 2), "up": nn.Linear(2, 4, bias=False), "other": nn.Linear(4, 4)}


def squeezed(module: nn.Module, x: Tensor) -> Tensor:
    gate: Tensor = module.up(F.relu(module.down(pool(x).flatten(1))))
    return x * torch.sigmoid(gate).view(x.shape[0], -1, 1, 1)


def squeezed_means(module: nn.Module, x: Tensor) -> Tensor:
    means = x.mean((2, 3))
    return x * module.other(means)[:, :, None, None] + means.view(2, 4, 1, 1)


def called_twice(module: nn.Module, x: Tensor) -> Tensor:
    gate = module.other(x.mean((2, 3)))
    return x * gate.view(2, 4, 1, 1) + module.other(x[:, :, 0, 0]).sum()


def product_layers() -> dict[str, nn.Module]:
    return {"conv": nn.Conv2d(4, 4, 1), "norm": norm()}


def expanded(module: nn.Module, x: Tensor) -> Tensor:
    return x * module.norm(module.conv(pool(x).expand_as(x)))


def expanded_for_two(module: nn.Module, x: Tensor) -> Tensor:
    y = pool(x).expand(-1, -1, 6, 8)
    return F.max_pool2d(y, 2, 1, 1)[..., :6, :8] + torch.sigmoid(y)


def shuffled(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, channels // 2, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


def transposed(*sizes: int, **settings: Any) -> Callable[[], dict[str, nn.Module]]:
    return lambda: {"up": nn.ConvTranspose2d(4, 6, *sizes, **settings)}


CASES = (
    Case("channel_shuffle", "transpose", lambda m, x: shuffled(x) * 2, ("transpose", "reshape")),
    Case(
        "channel_shuffle",
        "permute",
        lambda m, x: x.reshape(-1, 2, 2, 6, 8).permute(0, 2, 1, 3, 4).flatten(1, 2),
        ("permute", "flatten"),
    ),
    Case("gated_activation", "function", lambda m, x: F.hardswish(x), ("hardswish",)),
    Case("gated_activation", "layer", lambda m, x: m.act(x), ("hardswish",), modules=lambda: {"act": nn.Hardswish()}),
    Case("gated_activation", "Mish", lambda m, x: m.act(x) + F.mish(x), ("mish",), 2, lambda: {"act": nn.Mish()}),
    Case("transposed_kernel", "dilation", lambda m, x: m.up(x), modules=transposed(3, stride=2, dilation=2)),
    Case(
        "transposed_kernel",
        "stride",
        lambda m, x: m.up(x),
        modules=transposed(3, stride=4, padding=1, output_padding=1, groups=2),
    ),
    Case(
        "transposed_kernel",
        "output padding",
        lambda m, x: m.up(x),
        modules=transposed(3, stride=3, output_padding=2, bias=False),
    ),
    Case("identity", "clone", lambda m, x: x.clone() * torch.clone(x), ("clone",), times=2),
    Refusal("identity", "clone that is changed", changed_copy, reason="still changed in place"),
    Case("batch_size", "view", lambda m, x: x.view(x.shape[0], 2, -1), ("getattr", "getitem")),
    Case("batch_size", "more rows", lambda m, x: x.reshape(x.size(0) * 2, 2, *x.shape[2:]), ("Tensor.size",)),
    Case("batch_size", "the whole shape", lambda m, x: (x * 2).view(x.shape), ("getattr",)),
    Refusal("batch_size", "two sizes", lambda m, x: x.sum(1).view(x.shape[0], -1, x.shape[0]), reason="2 of its sizes"),
    Case("constant_fold", "of a buffer", lambda m, x: x * (m.offset + torch.ones((x.shape[1], 1, 1))), ("ones", "add")),
    Case("constant_fold", "of sizes", lambda m, x: x + torch.arange(x.shape[3]), ("arange",)),
    Case("constant_fold", "a grid", grid, ("arange", "meshgrid", "stack"), times=2),
    Refusal(
        "constant_fold", "batch", lambda m, x: x + torch.arange(x.shape[0]).view(-1, 1, 1, 1), reason="the batch size"
    ),
    Refusal(
        "constant_fold",
        "huge",
        lambda m, x: x[:, :1, :1, :1] + torch.ones((x.shape[1], 1, (1 << 20) + 1)),
        reason="too many",
    ),
    Refusal(
        "constant_fold", "times the batch", lambda m, x: x + torch.ones((4, 1, 1)) * x.shape[0], reason="the batch"
    ),
    Case("flat_linear", "flatten and view", squeezed, ("nn.Linear", "flatten", "reshape"), modules=gate_layers),
    Case("flat_linear", "means", squeezed_means, ("nn.Linear", "getitem", "reshape"), modules=gate_layers),
    Refusal(
        "flat_linear", "not put back", lambda m, x: m.other(x.mean((2, 3))), reason="before output", modules=gate_layers
    ),
    Refusal("flat_linear", "called twice", called_twice, reason="called elsewhere", modules=gate_layers),
    Case("reshape_chain", "squeeze", lambda m, x: pool(x).squeeze(-1).squeeze(-1), ("squeeze",)),
    Case("reshape_chain", "of three", lambda m, x: x.flatten(2).unsqueeze(1).view(2, 2, -1), ("flatten",), times=2),
    Refusal("reshape_chain", "batch", lambda m, x: x.flatten(1).view(4, 2, -1), reason="the first axis of"),
    Case("late_expand", "before a product", expanded, ("expand_as",), modules=product_layers, times=2),
    Case("late_expand", "one of two readers", expanded_for_two),
)
