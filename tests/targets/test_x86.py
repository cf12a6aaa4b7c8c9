"""What the x86 table allows stays in int8 when torch converts it; what it doesn't, doesn't."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

import qat
from qat.ao import convert_fx, get_x86_backend_config, prepare_fx
from qat.compile.onnx.writer import to_onnx
from qat.graph import check, rewrite
from qat.graph.ops import BY_NAME
from qat.program.lower import program_of
from qat.targets import X86
from tests.compile.samples import EVERY

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
    "nn.AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d(1),
    "F.adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 1),
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
    "operator.matmul": lambda x: x @ x,
    "F.softmax": lambda x: F.softmax(x, 1),
    "torch.reshape": lambda x: torch.reshape(x, (1, -1)),
    "Tensor.flatten": lambda x: x.flatten(1),
    "Tensor.view": lambda x: x.view(1, 16, 4, 4),
}


def _iadd(x: Tensor) -> Tensor:
    y = x.relu()
    y += x
    return y


class Between(nn.Module):
    """Convolution, what is asked, sigmoid: only what is between the first and the last may leave int8."""

    def __init__(self, function: Callable[..., Any]) -> None:
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


def errors(module: nn.Module) -> list[str]:
    return [found.message for found in check(module, X, "x86") if found.severity == "error"]


def allowed() -> dict[str, set[str]]:
    """The spellings that each row allows, read from its fix."""
    rows = {row.op: [limit for limit in row.limits if limit.name == "spelling"] for row in X86.rows.values()}
    return {op: set(re.findall(r"[\w.]+\.\w+", limits[0].fix)) for op, limits in rows.items() if limits}


def test_every_allowed_spelling_has_a_sample() -> None:
    assert {name for names in allowed().values() for name in names} == set(SPELLINGS)


@pytest.mark.parametrize("name", SPELLINGS)
def test_allowed_spelling_stays_in_int8(name: str) -> None:
    assert dequantises(SPELLINGS[name]) == 1


def test_a_row_is_what_the_program_and_the_files_have() -> None:
    """Each has a sample that is proven (tests/compile); functions without a layer have none that runs."""
    proven = {operation.row or operation.op for operation in EVERY} & set(BY_NAME)
    assert set(X86.rows) - {"input", "output", "constant", "quant_stub", "dequant_stub"} == proven


@pytest.mark.parametrize("name", SPELLINGS)
def test_all_stages_and_the_file_hold_an_allowed_spelling(name: str) -> None:
    """int8 and the file give what stage calib gives, up to a level."""
    torch.manual_seed(0)
    result = rewrite(Between(SPELLINGS[name]).eval(), X, "x86")
    prepared = qat.prepare(result, qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, [X, X * 0.7])
    picture = X.flip(2)
    with torch.no_grad():
        calib, int8 = qat.fake_quantized(prepared)(picture), qat.convert(prepared)(picture)
    level = 1 / 127  # of the sigmoid's grid
    assert (int8 - calib).abs().max() < 1.01 * level
    assert errors(result.module) == []
    model = to_onnx(program_of(prepared, X)).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"image": picture.numpy()})
    assert abs(output - calib.numpy()).max() < 1.01 * level


FORBIDDEN: dict[str, tuple[str, Callable[..., Any]]] = {
    "constant settings": ("is computed from the pixels", lambda x: x * x.max().item()),
    "four axes, conv2d": ("its input (4, 8, 8) hasn't four axes", nn.Sequential(nn.Flatten(0, 1), nn.Conv2d(4, 4, 1))),
    "four axes, max_pool2d": ("hasn't four axes", lambda x: F.max_pool2d(x.squeeze(0), 2)),
    "four axes, interpolate": ("hasn't four axes", lambda x: F.interpolate(x.unsqueeze(0), [2, 4, 4])),
    "padding mode": ("padding_mode reflect", nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
    "running statistics": (
        "each batch's statistics",
        nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4, track_running_stats=False)),
    ),
    "ceil_mode": ("a whole kernel of padding", lambda x: F.max_pool2d(x, 2, 4, 0, 6, ceil_mode=True)),
    "bounds": ("limits None, (1, 1, 8, 8) are tensors", lambda x: torch.clamp(x, max=x.mean(1, keepdim=True))),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_no_file_can_say_is_found_before_anything_is_calibrated(name: str) -> None:
    message, function = FORBIDDEN[name]
    result = rewrite(Between(function).eval(), X, "x86")
    assert any(message in error for error in errors(result.module))
    with pytest.raises(qat.UserError, match="doesn't run on x86"):
        qat.prepare(result, qat.QuantSpec(observer="min_max"))
    prepared = qat.prepare(result, qat.QuantSpec(observer="min_max", allow_float=True))
    qat.calibrate(prepared, [X])
    with pytest.raises(Exception) as raised:  # noqa: PT011, PT012  (what ONNX's checker and torch raise)
        to_onnx(program_of(prepared, X))
        qat.convert(prepared)(X)
    assert raised.value


@pytest.mark.parametrize("name", FLOAT)
def test_other_spelling_is_a_warning_and_leaves_int8(name: str) -> None:
    found = [violation for violation in check(Between(FLOAT[name]), X, "x86") if "torch.ao" in violation.message]
    assert [violation.severity for violation in found] == ["warning"]
    # torch.fx reads += as `+`, which has an int8 kernel, and loses its meaning; view fails on int8 in channels-last
    if name not in ("operator.iadd", "Tensor.view"):
        assert dequantises(FLOAT[name]) > 1


def test_an_unknown_function_is_a_violation() -> None:
    found = check(Between(lambda x: unknown(x)), X, "x86")
    assert [(violation.op, violation.severity) for violation in found] == [("unknown", "error")]


@fx.wrap
def unknown(x: Tensor) -> Tensor:
    return x
