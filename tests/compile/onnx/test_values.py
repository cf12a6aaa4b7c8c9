"""Quantised tensors in each spelling: the same integers, written as each runtime takes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import ModelProto, TensorProto, numpy_helper
from torch import nn

import qat
from qat import engine
from qat.compile.network import Network
from qat.compile.onnx.values import PLAIN, Values
from qat.compile.onnx.writer import to_onnx
from qat.program.steps import Program, Quant, Weight
from tests.compile.small import SPELLINGS, block, departing, kinds, run, small
from tests.networks import BLOCK, pictures, shuffle_norms


@pytest.fixture(scope="module")
def made() -> Network:
    return block()


@pytest.fixture
def without_vnni(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    engine.choose_engine.cache_clear()
    monkeypatch.setattr(engine, "has_vnni", lambda: False)
    yield
    engine.choose_engine.cache_clear()


def integers(model: ModelProto, name: str) -> np.ndarray:
    """A tensor of integers, of a run with nothing fused."""
    opened = ModelProto()
    opened.CopyFrom(model)
    value = next(value for value in model.graph.value_info if value.name == name)
    del opened.graph.output[:]
    opened.graph.output.append(value)
    return run(opened, pictures(BLOCK, 1)[0])


def zero_points(model: ModelProto) -> set[tuple[str, int]]:
    """Type and value of every activation's zero point."""
    constants = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return {(str(constants[node.input[2]].dtype), int(constants[node.input[2]])) for node in nodes}


def test_zero_points_of_the_spellings() -> None:
    made = small(lambda m, y: F.relu(y * y) + y)
    found = {name: zero_points(to_onnx(made.program, spelling)) for name, spelling in SPELLINGS.items()}
    assert found == {"plain": {("int8", 0)}, "ort": {("uint8", 128)}, "openvino": {("int8", 0), ("uint8", 0)}}


def test_the_same_integers_in_both_types(made: Network) -> None:
    files = {name: to_onnx(made.program, spelling) for name, spelling in SPELLINGS.items()}
    for name in ("x_quantized", "conv_quantized"):
        signed = integers(files["plain"], name)
        np.testing.assert_array_equal(signed, integers(files["ort"], name).astype(int) - 128)
        np.testing.assert_array_equal(signed, integers(files["openvino"], name))
    signed = integers(files["plain"], "relu_quantized")
    np.testing.assert_array_equal(signed, integers(files["ort"], "relu_rectified").astype(int) - 128)
    np.testing.assert_array_equal(signed, integers(files["openvino"], "relu_quantized"))
    assert integers(files["openvino"], "relu_quantized").dtype == np.uint8


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_fewer_levels_without_vnni(without_vnni: None, scheme: str, name: str) -> None:
    made = block(qat.QuantSpec(scheme=scheme, observer="percentile", percentile=99.0))  # clips: the limits matter
    assert {step.quant.high for step in made.program.steps if step.quant} == {127}
    model = to_onnx(made.program, SPELLINGS[name])
    assert departing(model, made) == []
    limited = integers(model, "conv_quantized_limited")
    levels = limited.astype(int) + (0 if name == "ort" else 128)
    assert (levels.min(), levels.max()) == (0, 127)


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("observer", ["min_max", "percentile", "mse"])
def test_the_affine_scheme(name: str, observer: str) -> None:
    made = block(qat.QuantSpec(scheme="affine", observer=observer))
    assert departing(to_onnx(made.program, SPELLINGS[name]), made) == []


@pytest.mark.parametrize("name", SPELLINGS)
def test_more_layers_with_float_output(name: str) -> None:
    made = block(qat.QuantSpec(observer="min_max", high_precision=("gate", "deep")))
    assert {step.name for step in made.program.steps if step.op == "conv2d" and step.quant is None} == {"deep", "tail"}
    assert departing(to_onnx(made.program, SPELLINGS[name]), made) == []


def test_equal_constants_are_stored_once(made: Network) -> None:
    model = to_onnx(made.program)
    scales = [c for c in model.graph.initializer if c.name.startswith("scale_")]
    assert len({numpy_helper.to_array(c).item() for c in scales}) == len(scales)
    zeros = [c for c in model.graph.initializer if c.name.startswith("zero_point_")]
    assert len({numpy_helper.to_array(c).item() for c in zeros}) == len(zeros) < 3


def values() -> Values:
    return Values(Program((), ()), PLAIN, 17)


def test_a_bias_is_int32_on_the_grid_of_the_products() -> None:
    made, weight = values(), Weight(np.ones((2, 1, 1, 1), np.int8), np.array([0.5, 0.25], np.float32), np.ones(2))
    assert made.weight("layer", weight, Quant(0.5, 128)) == ["layer.weight", "layer.bias"]
    stored = made.initialisers["layer.bias_quantized"]
    assert stored.data_type == TensorProto.INT32
    np.testing.assert_array_equal(numpy_helper.to_array(stored), [4, 8])
    np.testing.assert_array_equal(numpy_helper.to_array(made.initialisers["layer.bias_scale"]), [0.25, 0.125])


@pytest.mark.parametrize(
    ("scale", "bias", "source"),
    [(1e-7, 1e4, Quant(0.01, 128)), (0.0, 0.0, Quant(0.01, 128)), (0.0, 1.0, Quant(0.01, 128)), (0.5, 1.0, None)],
)
def test_a_bias_that_has_no_level_stays_float(scale: float, bias: float, source: Quant | None) -> None:
    made = values()
    weight = Weight(np.ones((1, 1, 1, 1), np.int8), np.array([scale], np.float32), np.array([bias], np.float32))
    made.weight("layer", weight, source)
    np.testing.assert_array_equal(numpy_helper.to_array(made.initialisers["layer.bias"]), [np.float32(bias)])


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_norm_whose_channel_died(name: str) -> None:
    """A gain, and perhaps a shift, of 0: such channels exist in trained networks."""
    norm = shuffle_norms(nn.BatchNorm2d(4))
    made = small(lambda m, y: m.layer(y * y), layer=norm)
    with torch.no_grad():
        norm.weight[:2], norm.bias[0] = 0, 0
        norm.running_mean[0] = 0
    dead = small(lambda m, y: m.layer(y * y), layer=norm)
    with torch.no_grad():
        dead.prepared.get_submodule("layer").load_state_dict(norm.state_dict())
        dead.prepared.get_submodule("layer").weight[:2] = 0
        dead.prepared.get_submodule("layer").bias[0] = 0
        dead.prepared.get_submodule("layer").running_mean[0] = 0
    assert departing(to_onnx(dead.program, SPELLINGS[name]), dead) == []
    assert kinds(to_onnx(made.program)).count("Conv") == 3


def test_a_file_is_checked_before_it_is_given_away(made: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Values, "grid", lambda self, quant, signed: [self.number(1.0), self.number(0.0)])
    with pytest.raises((onnx.shape_inference.InferenceError, onnx.checker.ValidationError)):
        to_onnx(made.program)
