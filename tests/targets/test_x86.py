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
from qat.compile.onnx.ops import OPS
from qat.compile.onnx.writer import to_onnx
from qat.errors import UserError
from qat.graph import check, rewrite
from qat.graph.ops import op_called
from qat.program.lower import program_of
from qat.targets import X86
from qat.targets.x86 import NO_FILE

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


def op_of_spelling(name: str) -> str:
    """The row that allows a spelling."""
    (op,) = (op for op, names in allowed().items() if name in names)
    return op


def allowed() -> dict[str, set[str]]:
    """The spellings that each row allows, read from its fix."""
    rows = {row.op: [limit for limit in row.limits if limit.name == "spelling"] for row in X86.rows.values()}
    return {op: set(re.findall(r"[\w.]+\.\w+", limits[0].fix)) for op, limits in rows.items() if limits}


def in_no_file(op: str) -> bool:
    """Whether the row says that no file holds the operation."""
    return any(limit.name == NO_FILE for limit in X86.rows[op].limits)


def test_every_allowed_spelling_has_a_sample() -> None:
    assert {name for names in allowed().values() for name in names} == set(SPELLINGS)


@pytest.mark.parametrize("name", SPELLINGS)
def test_allowed_spelling_stays_in_int8(name: str) -> None:
    assert dequantises(SPELLINGS[name]) == 1


@pytest.mark.parametrize("op", X86.rows)
def test_a_row_has_an_onnx_form_or_says_that_it_has_none(op: str) -> None:
    """x86 took layer_norm, and tensors of the model's own, which no file can hold."""
    assert (op in OPS or op in ("input", "output") or op_called(op).idle) != in_no_file(op)


@pytest.mark.parametrize("name", SPELLINGS)
def test_all_stages_and_the_file_hold_an_allowed_spelling(name: str) -> None:
    """int8 and the file give what stage calib gives, up to a level; what no file holds is an error of the check."""
    torch.manual_seed(0)
    result = rewrite(Between(SPELLINGS[name]).eval(), X, "x86")
    prepared = qat.prepare(result, qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, [X, X * 0.7])
    picture = X.flip(2)
    with torch.no_grad():
        calib, int8 = qat.fake_quantized(prepared)(picture), qat.convert(prepared)(picture)
    level = 1 / 127  # of the sigmoid's grid
    assert (int8 - calib).abs().max() < 1.01 * level
    if in_no_file(op_of_spelling(name)):
        assert errors(result.module)
        with pytest.raises(UserError, match="can't be written to ONNX"):
            to_onnx(program_of(prepared, X))
        return
    assert errors(result.module) == []
    model = to_onnx(program_of(prepared, X)).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"image": picture.numpy()})
    assert abs(output - calib.numpy()).max() < 1.01 * level


FORBIDDEN: dict[str, tuple[str, Callable[..., Any]]] = {
    "no file": ("no ONNX file here holds constant", lambda x: x + torch.arange(4.0).view(1, 4, 1, 1)),
    "constant settings, repeat": ("is computed while the graph runs", lambda x: x.repeat(x.shape[0], 1, 1, 1)),
    "constant settings, mul": ("is computed while the graph runs", lambda x: x * x.shape[0]),
    "four axes, conv2d": ("its input (4, 8, 8) hasn't four axes", nn.Sequential(nn.Flatten(0, 1), nn.Conv2d(4, 4, 1))),
    "four axes, max_pool2d": ("hasn't four axes", lambda x: F.max_pool2d(x.squeeze(0), 2)),
    "four axes, interpolate": ("hasn't four axes", lambda x: F.interpolate(x.unsqueeze(0), [2, 4, 4])),
    "size": ("by the factor 0.4 it samples", lambda x: F.interpolate(x, scale_factor=0.4)),
    "padding mode": ("padding_mode reflect", nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
    "running statistics": (
        "each batch's statistics",
        nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4, track_running_stats=False)),
    ),
    "divisor": ("divisor_override 3", lambda x: F.avg_pool2d(x, 2, divisor_override=3)),
    "one window": ("windows from (1, 4, 8, 8) to (1, 4, 3, 3)", nn.AdaptiveAvgPool2d(3)),
    "ceil_mode": ("a whole kernel of padding", lambda x: F.max_pool2d(x, 2, 4, 0, 6, ceil_mode=True)),
    "bounds": ("limits None, (1, 1, 8, 8) are tensors", lambda x: torch.clamp(x, max=x.mean(1, keepdim=True))),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_no_file_can_say_is_found_before_anything_is_calibrated(name: str) -> None:
    message, function = FORBIDDEN[name]
    result = rewrite(Between(function).eval(), X, "x86")
    assert any(message in error for error in errors(result.module))
    prepared = qat.prepare(result, qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, [X])
    with pytest.raises(Exception) as raised:  # noqa: PT011, PT012  (what ONNX's checker and torch raise)
        to_onnx(program_of(prepared, X))
        qat.convert(prepared)(X)
    assert raised.value


def test_several_outputs_are_found() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [x * 2, x * 3]

    assert any("files are written for one output" in error for error in errors(Two()))


@pytest.mark.parametrize("name", FLOAT)
def test_other_spelling_is_a_violation_and_leaves_int8(name: str) -> None:
    found = [violation for violation in check(Between(FLOAT[name]), X, "x86") if violation.severity == "error"]
    assert len(found) == 1
    # torch.fx reads += as `+`, which has an int8 kernel, and loses its meaning; view fails on int8 in channels-last
    if name not in ("operator.iadd", "Tensor.view"):
        assert dequantises(FLOAT[name]) > 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: torch.add(x, x, alpha=2), "alpha 2 scales one operand"),
        (lambda x: F.interpolate(x, [4, 4], mode="bicubic"), "mode bicubic"),
        (lambda x: F.interpolate(x, [x.shape[2], 4]), "is computed while the graph runs"),
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
