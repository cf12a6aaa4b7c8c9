"""Small networks, one for each thing that a channel's factor meets on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

import qat
from tests.networks import Fn, pictures, shuffle_norms


@dataclass(frozen=True)
class Case:
    """`function(module, y)` with y (1, 4, 9, 12); `reason`: a part of why the first convolution gets no factors."""

    name: str
    function: Callable[..., Any]
    modules: Callable[[], dict[str, nn.Module]] = dict
    reason: str = ""


def _conv(cin: int = 4, cout: int = 4, groups: int = 1) -> dict[str, nn.Module]:
    return {"conv": nn.Conv2d(cin, cout, 3, padding=1, groups=groups)}


def _up(y: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(y, 3, 2, 1), size=(9, 12), mode="bilinear", align_corners=False)


CASES = (
    Case("nothing between", lambda m, y: y),
    Case("relu", lambda m, y: torch.relu(y)),
    Case("leaky relu", lambda m, y: F.leaky_relu(y, 0.1)),
    Case("a residual sum", lambda m, y: torch.relu(m.conv(y) + y), _conv),
    Case("a difference", lambda m, y: m.conv(y) - y, _conv),
    Case("depthwise", lambda m, y: m.conv(torch.relu(y)), lambda: _conv(groups=4)),
    Case("grouped", lambda m, y: m.conv(y), lambda: _conv(cout=6, groups=2)),
    Case("transposed", lambda m, y: m.up(y), lambda: {"up": nn.ConvTranspose2d(4, 6, 2, 2)}),
    Case("a standalone norm", lambda m, y: y + torch.relu(m.norm(y)), lambda: {"norm": nn.BatchNorm2d(4)}),
    Case("pooled and resized", lambda m, y: y + _up(F.max_pool2d(y, 3, 1, 1))),
    Case("a part of a concatenation", lambda m, y: torch.cat([y, torch.relu(m.conv(y))], 1), _conv),
    Case("a layer called twice", lambda m, y: m.conv(torch.relu(m.conv(y))), _conv),
    Case("a gate of one channel", lambda m, y: torch.sigmoid(m.conv(y)) * y, lambda: _conv(cout=1)),
    Case("a gate of all channels", lambda m, y: y + torch.sigmoid(m.conv(y)) * y, _conv),
    Case("a negative constant factor", lambda m, y: y * -0.5),
    Case("a sum with one channel", lambda m, y: y + m.conv(y), lambda: _conv(cout=1)),
    Case("a constant added", lambda m, y: torch.relu(y + 0.5), reason="read by add"),
    Case("a product", lambda m, y: m.conv(y) * y, _conv, reason="read by mul"),
    Case("a square", lambda m, y: y * y, reason="read by mul"),
    Case("a sigmoid", lambda m, y: torch.sigmoid(y), reason="read by sigmoid"),
    Case("hardswish", lambda m, y: F.hardswish(y), reason="read by hardswish"),
    Case("a plain norm", lambda m, y: m.norm(torch.relu(y)), lambda: {"norm": nn.BatchNorm2d(4, affine=False)}, "norm"),
)


def prepared(case: Case, spec: qat.QuantSpec | None = None) -> fx.GraphModule:
    """The case's network, with seeded weights and a tail, before any statistics."""
    torch.manual_seed(0)
    model = shuffle_norms(Fn(case.function, **case.modules())).eval()
    model.tail = nn.Conv2d(model(pictures()[0]).shape[1], 2, 1)
    return qat.prepare(qat.rewrite(model, pictures()[0], "x86"), spec or qat.QuantSpec(observer="min_max"))
