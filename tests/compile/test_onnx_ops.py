"""The table is complete, and what can't be written is refused with the model's line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import qat
from qat.compile.onnx.ops import OPS
from qat.compile.onnx.writer import Form, to_onnx
from qat.errors import UserError
from qat.targets.j5 import J5
from tests.compile.operations import OPERATIONS
from tests.compile.small import NO_RULES, SPELLINGS, departing, small

LINE = r"tests/compile/test_onnx_ops.py:\d+: "


def test_every_operation_is_proven() -> None:
    """`quantise` below; the others in test_onnx_layers, test_onnx_elementwise, test_onnx_shapes."""
    assert {operation.op for operation in OPERATIONS} | {"quantise"} == set(OPS)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_float_tensor_that_one_reader_rounds(spelling: str) -> None:
    spec = qat.QuantSpec(observer="min_max", high_precision=("first",))
    network = small(lambda m, y: m.second(y) + y.sum(1, keepdim=True), spec, J5, second=nn.Conv2d(4, 4, 1))
    assert "quantise" in [step.op for step in network.program.steps]
    assert departing(to_onnx(network.program, SPELLINGS[spelling]), network) == []


def norm(module: nn.Module, y: Tensor) -> Tensor:
    return module.layer(y)


REFUSED: dict[str, tuple[Callable[..., Any], dict[str, nn.Module], str]] = {
    "layer_norm": (norm, {"layer": nn.LayerNorm(12)}, r"layer_norm \(layer\) can't be written to ONNX; known: conv2d"),
    "exp": (lambda m, y: torch.exp(y), {}, r"exp \(exp\) can't be written"),
    "divisor": (lambda m, y: F.avg_pool2d(y, 2, divisor_override=3), {}, "divisor_override has no ONNX form"),
    "reflection": (
        norm,
        {"layer": nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")},
        "layer pads with padding_mode 'reflect', which int8 files don't have; use padding_mode='zeros'",
    ),
    "norm of batches": (
        lambda m, y: m.layer(y * y),
        {"layer": nn.BatchNorm2d(4, track_running_stats=False)},
        "layer normalises by each batch's statistics; use track_running_stats=True",
    ),
    "dropout that is on": (lambda m, y: F.dropout(y, 0.0), {}, r"dropout \(dropout\) can't be written"),
    "constant": (lambda m, y: y + m.first.bias.view(1, 4, 1, 1), {}, "constant .* can't be written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_models_line(name: str) -> None:
    function, modules, reason = REFUSED[name]
    network = small(function, target=NO_RULES, **modules)
    with pytest.raises(UserError, match=reason) as raised:
        to_onnx(network.program)
    assert "\n" not in str(raised.value)
    assert name == "constant" or raised.match(LINE)


@pytest.mark.parametrize("function", [lambda m, y: y.reshape(2, 2, 9, 12), lambda m, y: y.flatten(0, 1)])
def test_an_open_batch_stays_the_first_axis(function: Callable[..., Any]) -> None:
    network = small(function)
    to_onnx(network.program)
    with pytest.raises(UserError, match=LINE + r".* moves the batch axis; set COMPILE.DYNAMIC_BATCH False"):
        to_onnx(network.program, form=Form(dynamic_batch=True))
