"""What a rule is tried on: a function of a module and a tensor (2, 4, 6, 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


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


def norm(**settings: Any) -> nn.BatchNorm2d:
    """A batch normalisation of four channels as training leaves it; some gains are negative."""
    module = nn.BatchNorm2d(4, **settings)
    for name, low in (("weight", -1.0), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
        if getattr(module, name) is not None:
            nn.init.uniform_(getattr(module, name), low, 2.0)
    return module


def convolution(*sizes: int, **settings: Any) -> Callable[[], dict[str, nn.Module]]:
    return lambda: {"c": nn.Conv2d(4, *sizes, **settings)}
