"""The table is complete, and what can't be written is refused with the model's line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import qat
from qat.backends.scales import quantisers
from qat.compile.onnx.ops import OPS
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.verify.tensors import tensors_of
from qat.errors import UserError
from qat.graph.ops import BY_NAME
from qat.targets.j5 import J5
from tests.compile.operations import ELEMENTWISE, SHAPES, Operation, title
from tests.compile.samples import EVERY, MORE
from tests.compile.small import NO_RULES, SPELLINGS, check, departing, kinds, small
from tests.networks import pictures

LINE = r"tests/compile/onnx/test_ops.py:\d+: "


@pytest.mark.parametrize("operation", [*ELEMENTWISE, *SHAPES, *MORE], ids=title)
def test_says_what_torch_says(operation: Operation) -> None:
    """Float as torch, int8 as the fake-quantised network, in every spelling."""
    check(operation)


def test_every_form_is_proven() -> None:
    """`quantise` below; layers in test_layers."""
    assert {operation.op for operation in EVERY} | {"quantise"} == set(OPS)


def test_every_row_is_proven() -> None:
    """The stubs are in every network here."""
    called = {operation.row or operation.op for operation in EVERY}
    assert called | {"quant_stub", "dequant_stub"} >= set(BY_NAME)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_float_tensor_that_one_reader_rounds(spelling: str) -> None:
    spec = qat.QuantSpec(observer="min_max", high_precision=("first",))
    network = small(lambda m, y: m.second(y) + y.sum(1, keepdim=True), spec, J5, second=nn.Conv2d(4, 4, 1))
    assert "quantise" in [step.op for step in network.program.steps]
    assert departing(to_onnx(network.program, SPELLINGS[spelling]), network) == []


def norm(module: nn.Module, y: Tensor) -> Tensor:
    return module.layer(y)


REFUSED: dict[str, tuple[Callable[..., Any], dict[str, nn.Module], str]] = {
    "unknown": (lambda m, y: torch.cumsum(y, 1), {}, r"cumsum \(cumsum\) can't be written to ONNX; known: conv2d"),
    "decimals": (lambda m, y: torch.round(y, decimals=1), {}, r"round \(round_1\) to decimals has no ONNX form"),
    "p": (lambda m, y: y.norm(3, 1), {}, r"norm \(norm\) with p 3 has no ONNX form; use 1 or 2"),
    "dtype": (lambda m, y: y.sum(1, dtype=torch.float32), {}, r"sum \(sum_1\) is given dtype, which no program holds"),
    "several": (lambda m, y: y.topk(2, 1)[0], {}, r"topk \(topk\) gives several tensors, which no program holds"),
    "picked": (lambda m, y: y[:, y.mean((0, 2, 3)).long()], {}, "picks by a tensor that is computed"),
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
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_models_line(name: str) -> None:
    function, modules, reason = REFUSED[name]
    network = small(function, target=NO_RULES, **modules)
    with pytest.raises(UserError, match=reason) as raised:
        to_onnx(network.program)
    assert "\n" not in str(raised.value)
    assert raised.match(LINE)


@pytest.mark.parametrize("function", [lambda m, y: y.reshape(2, 2, 9, 12), lambda m, y: y.flatten(0, 1)])
def test_an_open_batch_stays_the_first_axis(function: Callable[..., Any]) -> None:
    network = small(function)
    to_onnx(network.program)
    with pytest.raises(UserError, match=LINE + r".* moves the batch axis; set COMPILE.DYNAMIC_BATCH False"):
        to_onnx(network.program, form=Form(dynamic_batch=True))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_minus_a_sigmoid_is_exact(spelling: str) -> None:
    """On the grid of 1/127 with zero point 128; ONNX Runtime's form is a table of 256 entries."""
    made = small(lambda m, y: (1 - y.sigmoid()) * y)
    for _, quantiser in quantisers(made.prepared):
        if quantiser.observer.name == "sigmoid":
            quantiser.fixed = (1 / 127, 128)
            quantiser.scale.fill_(1 / 127)
            quantiser.zero_point.fill_(128)
    sigmoid, complement = made.program["sigmoid"], next(s for s in made.program.steps if s.op == "scale_shift")
    assert sigmoid.quant == complement.quant
    model, picture = to_onnx(made.program, SPELLINGS[spelling]), pictures(count=1)[0]
    found = tensors_of(model, made.program, picture.numpy())
    np.testing.assert_allclose(found[complement.name], 1 - found["sigmoid"], atol=1e-6)
    assert ("LeakyRelu" in kinds(model)) == (spelling == "ort")
    assert departing(model, made) == []
