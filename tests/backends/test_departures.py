"""Networks that int8 once computed wrongly or in float, small: each test names the report that it pins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

import qat
from qat.backends.scales import qparams
from qat.engine import ENGINES

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


@pytest.mark.parametrize("read", [qat.convert, qat.fake_quantized, qparams])
def test_what_was_never_calibrated_has_no_scales(read: Callable[[fx.GraphModule], object]) -> None:
    """Case o10 (pytorch#100654): every activation was 0, the network a constant map."""
    prepared = qat.prepare(qat.rewrite(Between(torch.add).eval(), pictures()[0], "x86"))
    with pytest.raises(qat.UserError, match=r"was never seen, so it has no scale; run make calib, or `qat.calibrate`"):
        read(prepared)


def small(size: float) -> nn.Module:
    """One function for every `size`: a layer of small weights, the next of weights as much larger."""
    torch.manual_seed(1)
    first, second, tail = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 4, 1, bias=False)
    assert second.bias is not None
    second.weight.data.mul_(size)
    second.bias.data.mul_(size)
    tail.weight.data.div_(size)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), tail).eval()


@pytest.mark.parametrize("engine", [name for name in ENGINES if name in torch.backends.quantized.supported_engines])
@pytest.mark.parametrize("size", [1e8, 1e-5, 1e-8])
def test_scales_below_float32s_epsilon_are_kept(size: float, engine: str) -> None:
    """Case o19: an equal network lost all where a scale fell below 1.2e-7."""
    x, distances = pictures()[0], []
    for model in (small(1.0), small(size)):
        prepared = qat.prepare(qat.rewrite(model, x, "x86"), qat.QuantSpec(engine=engine))
        qat.calibrate(prepared, pictures())
        distances.append(sqnr(model(x), qat.convert(prepared)(x)))
    assert distances[1] == pytest.approx(distances[0], abs=0.5)


JOINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "scaled": lambda x, y: torch.cat([x * 3, y], 1),
    "shifted": lambda x, y: torch.cat([x - 2, y], 1),
    "scaled twice": lambda x, y: torch.cat([x - 2, x * 3], 1),
    "read by itself too": lambda x, y: torch.cat([x * 2, x], 1),
    "scaled second": lambda x, y: torch.cat([x, y * 5], 1),
    "pooled": lambda x, y: torch.cat([F.max_pool2d(x * 4, 2), F.max_pool2d(y, 2)], 1),
    "resized": lambda x, y: torch.cat([F.interpolate(x * 3, [96, 128]), F.interpolate(y, [96, 128])], 1),
    "rectified": lambda x, y: F.relu(torch.cat([x - 2, y * 3], 1)),
    "sigmoid": lambda x, y: torch.cat([x.sigmoid(), y], 1),
    "one minus sigmoid": lambda x, y: torch.cat([1 - x.sigmoid(), y], 1),
    "sigmoid scaled": lambda x, y: torch.cat([x.sigmoid() * 5, y], 1),
    "stack": lambda x, y: torch.stack([x * 3, y], 1).flatten(1, 2),
}


@pytest.mark.parametrize("name", JOINED)
def test_what_is_joined_is_requantised(name: str) -> None:
    """torch.cat takes the first input's grid in int8, which a constant had moved or a sigmoid fixed, and clips."""
    model, x = Between(JOINED[name], channels=16), pictures()[0]
    prepared = calibrated(model)
    calib, int8 = qat.fake_quantized(prepared)(x), qat.convert(prepared)(x)
    assert sqnr(model(x), calib) > 32
    assert sqnr(model(x), int8) > sqnr(model(x), calib) - 0.5
    assert sqnr(calib, int8) > 40


@pytest.mark.parametrize("name", ["shifted", "pooled", "one minus sigmoid"])
def test_a_file_joins_as_calib_does(name: str, tmp_path: Path) -> None:
    prepared = calibrated(Between(JOINED[name], channels=16))
    assert qat.export_onnx(prepared, tmp_path / "net.onnx", pictures()[0]).tensors_compared > 4


def test_what_is_joined_with_a_sigmoid_has_a_grid_of_its_own() -> None:
    grids = qparams(calibrated(Between(JOINED["sigmoid"], channels=16)))
    assert grids["sigmoid"]["scale"] == pytest.approx(1 / 127)
    assert grids["b"]["range"][1] > 1.1
    assert grids["b"]["scale"] == grids["cat"]["scale"]


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


WRONG_IN_TORCH: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "scaled, then resampled": lambda x, y: F.interpolate(F.avg_pool2d(x, 2) * 3, SIZE[2:], mode="bilinear") + y,
    "bicubic": lambda x, y: F.interpolate(x, scale_factor=2.0, mode="bicubic") + F.interpolate(y, scale_factor=2.0),
    "a pooled 1x1 behind float": lambda x, y: (
        x + F.interpolate(F.silu(F.adaptive_avg_pool2d(y, 1)), SIZE[2:], mode="bilinear", align_corners=False)
    ),
}


@pytest.mark.parametrize("name", WRONG_IN_TORCH)
def test_int8_computes_what_calib_does_where_torch_does_not(name: str) -> None:
    """An interpolation of x * 3 was 32 dB from calib; of a contiguous 1x1 tensor torch's int8 kernel mixes channels."""
    prepared, x = calibrated(Between(WRONG_IN_TORCH[name])), pictures()[0]
    with torch.no_grad():
        assert sqnr(qat.fake_quantized(prepared)(x), qat.convert(prepared, picture=x)(x)) > 35


def test_batches_of_pictures_and_labels_are_refused_in_one_line() -> None:
    prepared = qat.prepare(qat.rewrite(Between(torch.add).eval(), pictures()[0], "x86"))
    expected = r"^calibration got a tuple and takes tensors .*\(picture for picture, _ in loader\)$"
    with pytest.raises(qat.UserError, match=expected):
        qat.calibrate(prepared, [(pictures()[0], torch.zeros(1))])  # type: ignore[list-item]
