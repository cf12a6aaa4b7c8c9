"""What the x86 table allows stays in int8 when torch converts it; what it doesn't, doesn't."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from qat.ao import convert_fx, get_x86_backend_config, prepare_fx
from qat.graph import check
from qat.targets import X86

X = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

SPELLINGS: dict[str, Callable[[Tensor], Tensor] | nn.Module] = {
    "nn.Conv2d": nn.Conv2d(4, 4, 3),
    "nn.ConvTranspose2d": nn.ConvTranspose2d(4, 4, 2),
    "nn.Linear": nn.Linear(8, 4),
    "nn.BatchNorm2d": nn.BatchNorm2d(4),
    "nn.LayerNorm": nn.LayerNorm(8),
    "F.layer_norm": lambda x: F.layer_norm(x, (8,), torch.ones(8), torch.zeros(8)),
    "nn.ReLU": nn.ReLU(),
    "F.relu": F.relu,
    "Tensor.relu": lambda x: x.relu(),
    "nn.ReLU6": nn.ReLU6(),
    "F.relu6": F.relu6,
    "nn.LeakyReLU": nn.LeakyReLU(),
    "F.leaky_relu": F.leaky_relu,
    "nn.ELU": nn.ELU(),
    "F.elu": F.elu,
    "nn.PReLU": nn.PReLU(),
    "nn.Hardswish": nn.Hardswish(),
    "F.hardswish": F.hardswish,
    "nn.Hardsigmoid": nn.Hardsigmoid(),
    "F.hardsigmoid": F.hardsigmoid,
    "nn.Hardtanh": nn.Hardtanh(),
    "F.hardtanh": F.hardtanh,
    "torch.clamp": lambda x: torch.clamp(x, 0, 1),
    "Tensor.clamp": lambda x: x.clamp(0, 1),
    "nn.Sigmoid": nn.Sigmoid(),
    "torch.sigmoid": torch.sigmoid,
    "Tensor.sigmoid": lambda x: x.sigmoid(),
    "nn.Tanh": nn.Tanh(),
    "torch.tanh": torch.tanh,
    "Tensor.tanh": lambda x: x.tanh(),
    "nn.Softmax": nn.Softmax(1),
    "operator.add": lambda x: x + x,
    "torch.add": lambda x: torch.add(x, x),
    "operator.mul": lambda x: x * x,
    "torch.mul": lambda x: torch.mul(x, x),
    "torch.matmul": lambda x: torch.matmul(x, x),
    "torch.cat": lambda x: torch.cat([x, x], 1),
    "torch.mean": lambda x: torch.mean(x, 1),
    "Tensor.mean": lambda x: x.mean((2, 3)),
    "nn.AvgPool2d": nn.AvgPool2d(2),
    "F.avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "nn.MaxPool2d": nn.MaxPool2d(2),
    "F.max_pool2d": lambda x: F.max_pool2d(x, 2),
    "nn.AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d(2),
    "F.adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 2),
    "F.interpolate": lambda x: F.interpolate(x, [4, 4], mode="bilinear"),
    "nn.PixelShuffle": nn.PixelShuffle(2),
    "torch.pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "nn.PixelUnshuffle": nn.PixelUnshuffle(2),
    "torch.pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "torch.squeeze": lambda x: torch.squeeze(x, 0),
    "Tensor.squeeze": lambda x: x.squeeze(0),
    "torch.unsqueeze": lambda x: torch.unsqueeze(x, 0),
    "Tensor.unsqueeze": lambda x: x.unsqueeze(0),
    "Tensor.reshape": lambda x: x.reshape(1, 16, 4, 4),
    "Tensor.view": lambda x: x.view(1, 16, 4, 4),
    "torch.flatten": lambda x: torch.flatten(x, 1),
    "Tensor.permute": lambda x: x.permute(0, 2, 3, 1),
    "torch.transpose": lambda x: torch.transpose(x, 1, 2),
    "Tensor.transpose": lambda x: x.transpose(1, 2),
    "Tensor.repeat": lambda x: x.repeat(1, 2, 1, 1),
    "Tensor.contiguous": lambda x: x.contiguous(),
    "Tensor.detach": lambda x: x.detach(),
}

FLOAT: dict[str, Callable[[Tensor], Tensor]] = {
    "Tensor.add": lambda x: x.add(x),
    "Tensor.mul": lambda x: x.mul(x),
    "operator.iadd": lambda x: _iadd(x),
    "operator.sub": lambda x: 1 - x,
    "torch.sum": lambda x: torch.sum(x, 1, keepdim=True),
    "operator.neg": lambda x: -x,
    "operator.truediv": lambda x: x / 2,
    "operator.matmul": lambda x: x @ x,
    "F.softmax": lambda x: F.softmax(x, 1),
    "F.gelu": F.gelu,
    "F.silu": F.silu,
    "torch.reshape": lambda x: torch.reshape(x, (1, -1)),
    "Tensor.flatten": lambda x: x.flatten(1),
}


def _iadd(x: Tensor) -> Tensor:
    y = x.relu()
    y += x
    return y


class Between(nn.Module):
    """Convolution, what is asked, sigmoid: only what is between the first and the last may leave int8."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.function = nn.Conv2d(4, 4, 1), function

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.function(self.first(x)))


def dequantises(function: Callable[[Tensor], Tensor]) -> int:
    """How often torch's converted graph leaves int8, the output's own included."""
    torch.backends.quantized.engine = "x86" if "x86" in torch.backends.quantized.supported_engines else "fbgemm"
    mapping = torch.ao.quantization.get_default_qconfig_mapping("x86")
    prepared = prepare_fx(Between(function).eval(), mapping, (X,), backend_config=get_x86_backend_config())
    prepared(X)
    converted: Any = convert_fx(prepared, backend_config=get_x86_backend_config())
    return sum("dequantize" in str(node.target) for node in converted.graph.nodes)


def spellings() -> set[str]:
    """All that the table's rows allow, read from their fixes."""
    limits = (limit for row in X86.rows.values() for limit in row.limits if limit.name == "spelling")
    return {name for limit in limits for name in re.findall(r"[\w.]+\.\w+", limit.fix)}


def test_every_allowed_spelling_has_a_sample() -> None:
    assert spellings() == set(SPELLINGS)


@pytest.mark.parametrize("name", SPELLINGS)
def test_allowed_spelling_stays_in_int8(name: str) -> None:
    assert [found for found in check(Between(SPELLINGS[name]), X, "x86") if found.severity == "error"] == []
    assert dequantises(SPELLINGS[name]) == 1


@pytest.mark.parametrize("name", FLOAT)
def test_other_spelling_is_a_violation_and_leaves_int8(name: str) -> None:
    found = [violation for violation in check(Between(FLOAT[name]), X, "x86") if violation.severity == "error"]
    assert len(found) == 1
    if name != "operator.iadd":  # torch.fx reads it as `+`, which has an int8 kernel, and loses its meaning
        assert dequantises(FLOAT[name]) > 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: torch.add(x, x, alpha=2), "alpha 2 scales one operand"),
        (lambda x: F.interpolate(x, [4, 4], mode="bicubic"), "mode bicubic"),
        (lambda x: F.interpolate(x, [x.shape[2], 4]), "size is computed"),
    ],
    ids=["alpha", "bicubic", "computed size"],
)
def test_limits(function: Callable[[Tensor], Tensor], message: str) -> None:
    assert [message in found.message for found in check(Between(function), X, "x86")] == [True]


def test_an_unknown_function_is_a_violation() -> None:
    found = check(Between(lambda x: unknown(x)), X, "x86")
    assert [(violation.op, violation.severity) for violation in found] == [("unknown", "error")]


@fx.wrap
def unknown(x: Tensor) -> Tensor:
    return x
