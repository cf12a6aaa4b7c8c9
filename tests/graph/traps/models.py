"""For each trap a model that falls into it and the same model mended; picture (1, 4, 16, 24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHAPE = (1, 4, 16, 24)


class Fn(nn.Module):
    """A function of one tensor, with modules by name."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Strange(torch.autograd.Function):
    """Names an operator that nobody has."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.argmax(x, dim=1)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("CustomArgmax", x)


class Copy(Strange):
    """Gives logits to the file."""

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("Identity", x)


class Honest(Strange):
    """Writes what it computes."""

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("ArgMax", x, axis_i=1, keepdims_i=0)


class CallsStrange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Strange.apply(x)


class CallsCopy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Copy.apply(x)


class CallsHonest(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Honest.apply(x)


class Anchored(nn.Module):
    """Anchors as an attribute, or as a buffer."""

    def __init__(self, held: bool) -> None:
        super().__init__()
        anchors = torch.ones(1, 4, 1, 1)
        self.register_buffer("anchors", anchors) if held else setattr(self, "anchors", anchors)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) * self.anchors


def branch(self: nn.Module, x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x
    return -x


def assign(self: nn.Module, x: Tensor) -> Tensor:
    y = x * 1
    y[:, :1] = F.relu(x[:, :1])
    return y


def focus(self: Any, x: Tensor) -> Tensor:
    corners = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
    return self.conv(torch.cat(corners, 1))


def whole(focused: nn.Conv2d) -> nn.Conv2d:
    """The 6x6 convolution that Focus and its 3x3 convolution are."""
    conv, channels = nn.Conv2d(SHAPE[1], focused.out_channels, 6, 2, 2), SHAPE[1]
    with torch.no_grad():
        for at, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
            conv.weight[:, :, row::2, column::2] = focused.weight[:, at * channels : (at + 1) * channels]
        conv.bias.copy_(focused.bias)  # type: ignore[union-attr, arg-type]
    return conv


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make().eval()


def _focused() -> nn.Module:
    return Fn(focus, conv=nn.Conv2d(4 * SHAPE[1], 8, 3, 1, 1))


def _unfocused() -> nn.Module:
    return Fn(lambda self, x: self.conv(x), conv=whole(nn.Conv2d(4 * SHAPE[1], 8, 3, 1, 1)))


def _resize(self: nn.Module, x: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(x, 2), size=x.shape[2:], mode="bilinear", align_corners=False)


def _fixed_resize(self: nn.Module, x: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(x, 2), size=SHAPE[2:], mode="bilinear", align_corners=False)


def _corners(self: nn.Module, x: Tensor) -> Tensor:
    return F.relu(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))


def _half_pixels(self: nn.Module, x: Tensor) -> Tensor:
    return F.relu(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))


Pair = tuple[Callable[[], nn.Module], Callable[[], nn.Module], bool]
MODELS: dict[str, Pair] = {  # trapped, mended, and whether both compute the same
    "data_branch": (lambda: Fn(branch), lambda: Fn(lambda self, x: torch.where(x.sum() > 0, x, -x)), True),
    "slice_assignment": (
        lambda: Fn(assign),
        lambda: Fn(lambda self, x: torch.cat([F.relu(x[:, :1]), x[:, 1:]], 1)),
        True,
    ),
    "custom_operator": (CallsStrange, CallsHonest, True),
    "dropped_function": (CallsCopy, CallsHonest, True),
    "strided_slice": (_focused, _unfocused, True),
    "computed_resize": (lambda: Fn(_resize), lambda: Fn(_fixed_resize), True),
    "rank": (
        lambda: Fn(lambda self, x: x * x.mean(1).unsqueeze(1)),
        lambda: Fn(lambda self, x: x * x.mean(1, keepdim=True)),
        True,
    ),
    "adaptive_pooling": (
        lambda: Fn(lambda self, x: F.adaptive_avg_pool2d(x, (6, 6))),
        lambda: Fn(lambda self, x: F.adaptive_avg_pool2d(x, (5, 6))),
        False,
    ),
    "align_corners": (lambda: Fn(_corners), lambda: Fn(_half_pixels), False),
    "processing_inside": (
        lambda: Fn(lambda self, x: F.relu((x - 0.5) / 0.2).argmax(1)),
        lambda: Fn(lambda self, x: F.relu(x)),
        False,
    ),
    "synced_norm": (lambda: nn.SyncBatchNorm(4), lambda: nn.BatchNorm2d(4), True),
    "plain_tensors": (lambda: Anchored(False), lambda: Anchored(True), True),
    "activation": (lambda: nn.SiLU(), lambda: nn.ReLU(), False),
}
