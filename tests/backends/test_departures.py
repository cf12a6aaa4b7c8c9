"""Networks that int8 once computed wrongly or in float, small: each test names the report that it pins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

import qat

SIZE = (1, 3, 48, 64)


def pictures(count: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SIZE, generator=generator) for _ in range(count)]


def calibrated(model: nn.Module, observer: str = "percentile") -> fx.GraphModule:
    prepared = qat.prepare(qat.rewrite(model.eval(), pictures()[0], "x86"), qat.QuantSpec(observer=observer))
    qat.calibrate(prepared, pictures())
    return prepared


def sqnr(reference: Tensor, other: Tensor) -> float:
    return float(10 * torch.log10(reference.square().sum() / (reference - other).square().sum()).detach())


class Between(nn.Module):
    """Two convolutions, what is asked of their outputs, a tail."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], channels: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a, self.b = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(3, 8, 3, 1, 1)
        self.tail = nn.Conv2d(channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.tail(self.function(self.a(x), self.b(x)))
        return logits


SCALED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch.add": lambda x, y: torch.add(x, y, alpha=3),
    "method": lambda x, y: x.add(y, alpha=-2),
    "in place": lambda x, y: x.add_(y, alpha=2),
    "torch.sub": lambda x, y: torch.sub(x, y, alpha=3),
    "torch.rsub": lambda x, y: torch.rsub(x, y, alpha=3),
}


@pytest.mark.parametrize("name", SCALED)
def test_alpha_is_not_dropped(name: str) -> None:
    """Case o03 (executorch#22153): torch.ao's int8 addition computes x + y."""
    model, x = Between(SCALED[name]), pictures()[0]
    prepared = calibrated(model)
    assert sqnr(model(x), qat.convert(prepared)(x)) > 25
    assert sqnr(qat.fake_quantized(prepared)(x), qat.convert(prepared)(x)) > 35


class NormAct(nn.BatchNorm2d):
    """A normalisation with its activation, by the function, as timm has it."""

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.running_mean, self.running_var
        return F.relu(F.batch_norm(x, mean, variance, self.weight, self.bias, self.training, 0.1, self.eps))


class OwnConvolution(nn.Conv2d):
    """A convolution by the function."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def test_functions_of_a_modules_tensors_run_in_int8() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        OwnConvolution(3, 8, 3, padding="same", bias=False),
        NormAct(8),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.SyncBatchNorm(8),
        nn.Conv2d(8, 4, 1),
    ).eval()
    x = pictures()[0]
    assert qat.check(qat.rewrite(model, x, "x86").module, x, "x86") == []
    converted = qat.convert(calibrated(model))
    assert [str(node.target) for node in converted.graph.nodes].count("dequantize") == 1
    assert sqnr(model(x), converted(x)) > 25


def test_an_expanded_gate_runs_in_int8() -> None:
    model, x = Between(lambda a, b: a * b.mean((2, 3), keepdim=True).sigmoid().expand_as(a) / 3), pictures()[0]
    converted = qat.convert(calibrated(model))
    assert [str(node.target) for node in converted.graph.nodes].count("dequantize") == 1
    assert sqnr(model(x), converted(x)) > 25
