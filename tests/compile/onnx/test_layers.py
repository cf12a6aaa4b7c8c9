"""Layers, and pooling with every padding and ceil_mode, in the runtime as in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import qat
from qat.compile.network import Network
from qat.compile.onnx.values import OPENVINO, PLAIN, SPELLINGS
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.errors import UserError
from qat.program.steps import Program, Step
from tests.compile.operations import CONVOLUTIONS, Operation, title
from tests.compile.small import NO_RULES, check, file_of, kinds, run
from tests.networks import SHAPE, pictures

# The last release for Python 3.10 mixes up the sides' padding from opset 19 on (onnxruntime issues 24681 and 26708).
MIXES_UP_PADDING = onnxruntime.__version__.startswith(("1.20.", "1.21.", "1.22.", "1.23."))
AVERAGE = {"divisor_override": None, "count_include_pad": True, "ceil_mode": False, "padding": 0, "stride": None}


@pytest.mark.parametrize("operation", CONVOLUTIONS, ids=title)
def test_says_what_torch_says(operation: Operation) -> None:
    """Float as torch, int8 as the fake-quantised network, in every spelling."""
    check(operation)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    return {
        "kernel_size": kernel,
        "stride": draw(st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6))),
        "padding": tuple(draw(st.integers(0, size // 2)) for size in kernel),
        "ceil_mode": draw(st.booleans()),
    }


@settings(deadline=None)
@given(windows(), st.booleans(), st.integers(5, 12), st.integers(5, 12), st.sampled_from([13, 17, 21]))
def test_average(window: dict[str, Any], counted: bool, height: int, width: int, opset: int) -> None:
    assume(not (MIXES_UP_PADDING and opset >= 19 and len(set(window["padding"])) == 2))
    x = pictures((1, 2, height, width), 1)[0]
    expected = F.avg_pool2d(x, **window, count_include_pad=counted)
    given = {**window, "count_include_pad": counted, "divisor_override": None}
    steps = Step("x", "input", (), tuple(x.shape)), Step("y", "avg_pool2d", ("x",), tuple(expected.shape), None, given)
    for spelling in (PLAIN, OPENVINO):
        model = to_onnx(Program(steps, ("y",)), spelling, Form(opset=opset))
        np.testing.assert_allclose(run(model, x), expected, atol=1e-5)


@settings(deadline=None)
@given(windows(), st.integers(1, 2), st.integers(9, 12))
def test_maximum(window: dict[str, Any], dilation: int, side: int) -> None:
    x = pictures((1, 2, side, side), 1)[0]
    try:
        expected = F.max_pool2d(x, **window, dilation=dilation)
    except RuntimeError:  # nothing fits
        assume(False)
    assume(dilation == 1 or not window["ceil_mode"])
    model = file_of("max_pool2d", tuple(x.shape), tuple(expected.shape), **window, dilation=dilation)
    np.testing.assert_array_equal(run(model, x), expected)


def test_the_padding_is_a_pad_of_its_own_for_opencv() -> None:
    settings = {**AVERAGE, "kernel_size": 3, "padding": 1}
    assert kinds(file_of("avg_pool2d", (1, 3, 9, 9), (1, 3, 3, 3), **settings)) == ["Pad", "AveragePool"]


def test_refuses_more_padding_than_runtimes_take() -> None:
    settings = {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True, "dilation": 2}
    with pytest.raises(UserError, match=r"net.py:7: .*leave out ceil_mode"):
        file_of("max_pool2d", (1, 2, 10, 10), (1, 2, 6, 6), **settings)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_adaptive_pooling(height: int, width: int, rows: int, columns: int) -> None:
    x = pictures((1, 2, height, width), 1)[0]
    for op, function in (
        ("adaptive_avg_pool2d", F.adaptive_avg_pool2d),
        ("adaptive_max_pool2d", F.adaptive_max_pool2d),
    ):
        model = file_of(op, (1, 2, height, width), (1, 2, rows, columns), output_size=(rows, columns))
        np.testing.assert_allclose(run(model, x), function(x, (rows, columns)), atol=1e-5)


class Means(nn.Module):
    """Normalised means over most of the picture, in which stripes cancel out: what is left is small beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.tail = nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.Conv2d(16, 2, 1)

    def means(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.stem(x), (7, 10), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(torch.relu(self.norm(self.means(x))))


def striped(seed: int) -> list[Tensor]:
    stripes = 1 - 2 * (torch.arange(SHAPE[3]) % 2)
    return [0.01 * picture + stripes for picture in pictures(count=3, seed=seed)]


def test_a_large_gain_keeps_its_shift_exact() -> None:
    """As int32 it would have levels further apart than the output's. ONNX Runtime makes it int32 where it can."""
    torch.manual_seed(0)
    model = Means().eval()
    with torch.no_grad():
        seen = torch.cat([model.means(picture) for picture in striped(1)])
    model.norm.running_mean, model.norm.running_var = seen.mean((0, 2, 3)), seen.var((0, 2, 3))
    torch.nn.init.uniform_(model.norm.bias, -1, 1)
    prepared = qat.prepare(qat.rewrite(model, striped(1)[0], NO_RULES), qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, striped(1))
    made, picture = Network(prepared, striped(1)[0], prepared, model), striped(5)[0]
    for spelling in SPELLINGS.values():
        file = to_onnx(made.program, spelling)
        found = compare_tensors(file, made, picture.numpy(), picture)
        assert [str(tensor) for tensor in found if tensor.departs] == []
        np.testing.assert_allclose(run(file, picture, optimise=True), run(file, picture), atol=1e-5)
