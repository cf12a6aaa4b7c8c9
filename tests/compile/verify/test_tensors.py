"""The tensor by tensor comparison finds planted mistakes, and names the first tensor that departs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.program.departures import TensorDifference
from qat.program.steps import Step
from tests.compile.small import SPELLINGS, block, departing
from tests.networks import BLOCK, pictures

SEED = 2


@pytest.fixture(scope="module")
def made() -> Network:
    return block()


def changed(model: ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> ModelProto:
    """`model` with another value of one constant."""
    constant = next(one for one in model.graph.initializer if one.name == name)
    value = change(numpy_helper.to_array(constant).copy())
    constant.CopyFrom(numpy_helper.from_array(value, name))
    return model


def input_of(model: ModelProto, name: str, index: int) -> str:
    """What the node called `name` reads."""
    return next(node for node in model.graph.node if node.name == name).input[index]


def departed(model: ModelProto, made: Network) -> str:
    """The first tensor that departs."""
    return departing(model, made, SEED)[0].split()[0]


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("result", ["logits", "upsampled", "argmax"])
def test_a_right_file_has_nothing_that_departs(made: Network, name: str, result: str) -> None:
    assert departing(to_onnx(made.program, SPELLINGS[name], Form(io=IOSpec(result=result))), made) == []


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_tensor_is_compared(made: Network, name: str) -> None:
    """Those too of which the file has the integers only, and the logits, which have the output's name."""
    picture = pictures(BLOCK, 1)[0]
    found = compare_tensors(to_onnx(made.program, SPELLINGS[name]), made, picture.numpy(), picture)
    assert {tensor.name for tensor in found} == set(made.program.by_name)


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_wrong_scale(made: Network, name: str) -> None:
    model = to_onnx(made.program, SPELLINGS[name])
    scale = input_of(model, "conv_quantized" if name == "plain" else "relu_quantized", 1)
    wrong = departed(changed(model, scale, lambda value: value * np.float32(1.02)), made)
    assert made.program[wrong].quant.scale == pytest.approx(float(scale.removeprefix("scale_")))


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_wrong_zero_point(made: Network, name: str) -> None:
    model = to_onnx(made.program, SPELLINGS[name])
    node = next(node for node in model.graph.node if node.name == "conv_quantized")
    model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.int8 if name != "ort" else np.uint8), "off"))
    node.input[2] = "off"
    assert departed(model, made) == "conv"


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("layer", ["conv", "deep", "tail"])
def test_a_swapped_channel(made: Network, name: str, layer: str) -> None:
    model = to_onnx(made.program, SPELLINGS[name])
    axis = 1 if name == "ort" and layer == "tail" else 0  # a matrix product there
    wrong = changed(model, f"{layer}.weight_quantized", lambda values: np.flip(values, axis))
    assert departed(wrong, made) == layer


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_dropped_relu(made: Network, name: str) -> None:
    steps = tuple(replace(step, relu=step.relu and step.name != "relu") for step in made.program.steps)
    assert departed(to_onnx(replace(made.program, steps=steps), SPELLINGS[name]), made) == "relu"


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_bias_off_by_little(made: Network, name: str) -> None:
    """0.6 of the output's steps: no value is off by more than one step, but most are."""
    step = made.program["conv"]
    assert step.weight is not None
    weight = replace(step.weight, bias=step.weight.bias + np.float32(0.6 * step.quant.scale))
    steps = tuple(replace(one, weight=weight) if one is step else one for one in made.program.steps)
    assert departed(to_onnx(replace(made.program, steps=steps), SPELLINGS[name]), made) == "conv"


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("change", [{"mode": "nearest", "align_corners": None}, {"align_corners": True}])
def test_a_wrong_resize(made: Network, name: str, change: dict[str, object]) -> None:
    def other(step: Step) -> Step:
        is_resize = step.op == "interpolate"
        return replace(step, attributes={**step.attributes, **change}) if is_resize else step

    program = replace(made.program, steps=tuple(map(other, made.program.steps)))
    assert departed(to_onnx(program, SPELLINGS[name]), made) == "interpolate"


def test_the_text_says_what_where_and_how_much(made: Network) -> None:
    model = changed(to_onnx(made.program), "deep.weight_quantized", lambda values: -values)
    line = departing(model, made)[0]
    assert line.startswith("deep (conv2d, tests/networks.py:")
    assert " scale steps, " in line
    assert line.endswith("% of its values differ from stage calib")


@pytest.mark.parametrize(
    ("largest", "share", "values", "departs"),
    [(1.0, 0.04, 10000, False), (1.0, 0.06, 10000, True), (1.2, 0.001, 10000, True), (1.0, 0.2, 16, False)],
)
def test_what_is_more_than_rounding(largest: float, share: float, values: int, departs: bool) -> None:
    assert TensorDifference("y", "add", "", largest, share, values, quantised=True).departs is departs


def test_float_tensors_are_held_to_their_largest_value() -> None:
    assert not TensorDifference("y", "conv2d", "", 1e-4, 0.0, 10, quantised=False).departs
    broken = TensorDifference("y", "conv2d", "net.py:7", 0.01, 0.0, 10, quantised=False)
    assert broken.departs
    assert "0.01 of its largest value" in str(broken)


def test_not_a_number_departs(made: Network) -> None:
    model = changed(to_onnx(made.program), "tail.weight_scale", lambda values: values * np.float32(np.nan))
    assert departed(model, made) == "tail"
