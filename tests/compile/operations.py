"""Every operation of the ONNX writer, as functions of a module and a tensor (1, 4, 9, 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Operation:
    """`function(module, y)` whose program has steps of `op`; `rewritten`: by the rules of x86, else of none.

    `row`: the row of `qat.graph.ops` that it calls, `op` if empty.
    """

    op: str
    name: str
    function: Callable[..., Any]
    modules: Callable[[], dict[str, nn.Module]] = dict
    rewritten: bool = True
    row: str = ""


def layer(op: str, name: str, make: Callable[[], nn.Module], relu: bool = False, row: str = "") -> Operation:
    def apply(module: nn.Module, y: Tensor) -> Tensor:
        return torch.relu(module.layer(y)) if relu else module.layer(y)

    return Operation(op, name, apply, lambda: {"layer": make()}, row=row)


def call(op: str, name: str, function: Callable[[Tensor], Tensor], row: str = "") -> Operation:
    return Operation(op, name, lambda module, y: function(y), row=row)


def plain(op: str, name: str, function: Callable[[Tensor], Tensor], row: str = "") -> Operation:
    return Operation(op, name, lambda module, y: function(y), rewritten=False, row=row)


def resize(mode: str, size: tuple[int, int], **more: Any) -> Operation:
    name = f"{mode} to {size[0]}x{size[1]}" + "".join(f" {key}" for key in more)
    return call("interpolate", name, lambda y: F.interpolate(y, size, mode=mode, **more))


CONVOLUTIONS = (
    layer("conv2d", "3x3", lambda: nn.Conv2d(4, 6, 3, padding=1)),
    layer("conv2d", "no bias, ReLU", lambda: nn.Conv2d(4, 6, 3, stride=2, bias=False), relu=True),
    layer("conv2d", "depthwise", lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), relu=True),
    layer("conv2d", "grouped", lambda: nn.Conv2d(4, 6, 3, padding=(2, 0), groups=2)),
    layer("conv2d", "dilated", lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2)),
    layer("conv2d", "same", lambda: nn.Conv2d(4, 4, 3, padding="same", dilation=(1, 2))),
    layer("conv2d", "same, even kernel", lambda: nn.Conv2d(4, 4, (2, 4), padding="same")),
    layer("conv2d", "valid", lambda: nn.Conv2d(4, 4, (3, 1), padding="valid", stride=(1, 2))),
    layer("conv2d", "norm, ReLU", lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)), relu=True),
    layer("conv_transpose2d", "2x2", lambda: nn.ConvTranspose2d(4, 6, 2, stride=2)),
    layer("conv_transpose2d", "padded", lambda: nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1), relu=True),
    layer("conv_transpose2d", "grouped, no bias", lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)),
    layer("conv_transpose2d", "dilated", lambda: nn.ConvTranspose2d(4, 2, (3, 2), padding=(1, 0), dilation=2)),
    Operation("linear", "of pixels", lambda m, y: m.l(y.permute(0, 2, 3, 1)), lambda: {"l": nn.Linear(4, 5)}),
    Operation("linear", "no bias", lambda m, y: m.l(y.mean((2, 3))), lambda: {"l": nn.Linear(4, 5, bias=False)}),
    Operation(
        "linear",
        "two",
        lambda m, y: m.b(torch.relu(m.a(y.flatten(1)))),
        lambda: {"a": nn.Linear(432, 8), "b": nn.Linear(8, 3)},
    ),
    Operation("batch_norm", "of a sum", lambda m, y: m.n(y + y.sigmoid()), lambda: {"n": nn.BatchNorm2d(4)}),
    Operation("batch_norm", "ReLU", lambda m, y: torch.relu(m.n(y * y)), lambda: {"n": nn.BatchNorm2d(4)}),
    Operation("batch_norm", "not affine", lambda m, y: m.n(y * y), lambda: {"n": nn.BatchNorm2d(4, affine=False)}),
    layer("prelu", "one", lambda: nn.PReLU()),
    layer("prelu", "per channel", lambda: nn.PReLU(4)),
    Operation("prelu", "of vectors", lambda m, y: m.p(y.mean((2, 3))), lambda: {"p": nn.PReLU(4)}),
)
ELEMENTWISE = (
    call("add", "with itself", lambda y: y + y),
    call("add", "ReLU", lambda y: torch.relu(y + y.sigmoid())),
    call("add", "broadcast", lambda y: y + F.avg_pool2d(y, (9, 12))),
    call("mul", "with itself", lambda y: y * y),
    call("mul", "broadcast, ReLU", lambda y: torch.relu(y * y.mean((2, 3), keepdim=True))),
    call("matmul", "pixels", lambda y: torch.matmul(y, y.transpose(2, 3))),
    call("scale_shift", "complement of sigmoid", lambda y: (1 - y.sigmoid()) * y),
    call("scale_shift", "chain", lambda y: y * 2 + 1),
    call("scale_shift", "half", lambda y: y * 0.5),
    call("scale_shift", "longer chain", lambda y: (1 - (y * 3 - 0.25)) * 0.1),
    call("scale_shift", "plus", lambda y: 0.3 + y),
    call("scale_shift", "chain read in the middle", lambda y: (lambda z: z + (z + 1))(y * 2)),
    call("scale_shift", "ReLU", lambda y: torch.relu(y * 2 - 0.4)),
    plain("sub", "", lambda y: y - y.sigmoid()),
    plain("sub", "number", lambda y: F.relu(y - 0.25)),
    plain("sub", "from a number", lambda y: F.relu(0.5 - y)),
    plain("sub", "alpha", lambda y: torch.sub(y, y.sigmoid(), alpha=3)),
    plain("add", "alpha", lambda y: torch.add(y, 0.1, alpha=3) * torch.add(y, y.sigmoid(), alpha=-2)),
    plain("scale_shift", "by name", lambda y: torch.add(input=y, other=2.0)),
    plain("scale_shift", "method", lambda y: y.mul(2) * y),
    plain("scale_shift", "of zero", lambda y: y + y * 0),
    call("relu", "twice read", lambda y: y + torch.relu(y)),
    call("relu", "after pooling", lambda y: torch.relu(F.max_pool2d(y, 2))),
    call("relu6", "", lambda y: F.relu6(y * 8)),
    call("hardtanh", "", lambda y: F.hardtanh(y, -0.4, 0.7)),
    call("clamp", "both", lambda y: y.clamp(-0.3, 0.5)),
    call("clamp", "below", lambda y: torch.clamp(y, min=-0.3)),
    call("clamp", "above", lambda y: y.clamp(max=0.3)),
    call("leaky_relu", "", lambda y: F.leaky_relu(y, 0.2)),
    call("elu", "", lambda y: F.elu(y, 0.7)),
    call("hardswish", "", lambda y: F.hardswish(y * 4)),
    call("hardsigmoid", "", lambda y: F.hardsigmoid(y * 4)),
    call("sigmoid", "", lambda y: torch.sigmoid(y)),
    call("tanh", "", lambda y: torch.tanh(y)),
    layer("softmax", "channels", lambda: nn.Softmax(1)),
    layer("softmax", "columns", lambda: nn.Softmax(-1)),
    layer("softmax", "no axis given", lambda: nn.Softmax()),
)
SHAPES = (
    call("cat", "with its ReLU", lambda y: torch.cat([y, torch.relu(y)], 1)),
    call("cat", "rows", lambda y: torch.cat([y, y.sigmoid(), y], -2)),
    call("cat", "ReLU behind", lambda y: torch.relu(torch.cat([y, y * y], 1))),
    call("cat", "rectified", lambda y: torch.cat([torch.relu(y), torch.relu(y * y)], 1)),
    call("mean", "keeps no axis", lambda y: y.mean((2, 3))),
    call("mean", "one axis", lambda y: y.mean(1, keepdim=True)),
    call("mean", "one axis from the end", lambda y: y.mean(-1)),
    plain("mean", "one axis kept, no rules", lambda y: y.mean((2, 3), keepdim=True) * y),
    plain("sum", "channels", lambda y: y.sum(1, keepdim=True) * y),
    plain("sum", "pixels", lambda y: y.sum((-1, 2))),
    call("avg_pool2d", "padded", lambda y: F.avg_pool2d(y, 2, 2, 1)),
    call("avg_pool2d", "padding not counted", lambda y: F.avg_pool2d(y, 3, 2, 1, count_include_pad=False)),
    call("avg_pool2d", "ceil", lambda y: F.avg_pool2d(y, 2, ceil_mode=True)),
    call("avg_pool2d", "padded, ceil", lambda y: F.avg_pool2d(y, (4, 5), (3, 4), (1, 2), ceil_mode=True)),
    call("avg_pool2d", "uncounted, ceil", lambda y: F.avg_pool2d(y, 5, 4, 2, True, False)),
    call("max_pool2d", "padded", lambda y: F.max_pool2d(y, 3, 2, 1)),
    call("max_pool2d", "dilated", lambda y: F.max_pool2d(y, 2, 1, 0, 2)),
    call("max_pool2d", "ceil", lambda y: F.max_pool2d(y, (2, 3), (2, 5), (1, 1), ceil_mode=True)),
    call("max_pool2d", "of ReLU", lambda y: F.max_pool2d(torch.relu(y), 2)),
    plain("adaptive_avg_pool2d", "to one", lambda y: y * F.adaptive_avg_pool2d(y, 1)),
    resize("nearest", (18, 24)),
    resize("nearest", (13, 7)),
    resize("nearest-exact", (13, 7)),
    resize("nearest-exact", (18, 25)),
    resize("bilinear", (18, 24), align_corners=False),
    resize("bilinear", (18, 24), align_corners=True),
    resize("bilinear", (17, 7), align_corners=False),
    resize("bilinear", (5, 31), align_corners=True),
    resize("bilinear", (1, 1), align_corners=False),
    resize("bilinear", (1, 3), align_corners=True),
    call("pixel_shuffle", "", lambda y: F.pixel_shuffle(y, 2)),
    layer("pixel_unshuffle", "", lambda: nn.Sequential(nn.MaxPool2d((2, 1), 1), nn.PixelUnshuffle(2))),
    call("reshape", "view", lambda y: y.view(1, 8, 9, 6)),
    call("reshape", "merged", lambda y: y.reshape(-1, 2, 18, 12)),
    call("flatten", "", lambda y: y.flatten(1)),
    call("squeeze", "", lambda y: y.mean(3, keepdim=True).squeeze(3)),
    call("unsqueeze", "", lambda y: y.mean(3).unsqueeze(2)),
    call("permute", "", lambda y: y.permute(0, 3, 1, -2)),
    call("transpose", "", lambda y: y.transpose(-1, 1)),
    call("repeat", "", lambda y: y.repeat(1, 2, 1, 3)),
)
OPERATIONS = (*CONVOLUTIONS, *ELEMENTWISE, *SHAPES)


def title(operation: Operation) -> str:
    return f"{operation.op} {operation.name}".strip()
