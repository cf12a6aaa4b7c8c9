"""Whole files: every operator set, open batches, no ballast, the same in fast runtimes, and random networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto
from torch import Tensor, nn

import qat
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.writer import OPSETS, Form, read_metadata, to_onnx
from qat.deploy.sessions.openvino import core
from qat.errors import UserError
from tests.compile.small import SPELLINGS, block, departing, kinds, network, run, small, torch_says
from tests.networks import BLOCK, pictures, shuffle_norms


@pytest.fixture(scope="module")
def made() -> Network:
    return block()


@pytest.fixture(scope="module")
def files(made: Network) -> dict[str, ModelProto]:
    return {name: to_onnx(made.program, spelling) for name, spelling in SPELLINGS.items()}


@pytest.fixture(scope="module")
def picture() -> Tensor:
    return pictures(BLOCK, 1, seed=4)[0]


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_is_valid_and_says_the_same(made: Network, files: dict, picture: Tensor, opset: int) -> None:
    for name, spelling in SPELLINGS.items():
        model = to_onnx(made.program, spelling, Form(opset))
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        assert model.opset_import[0].version == opset
        np.testing.assert_array_equal(run(model, picture), run(files[name], picture))


@pytest.mark.parametrize("opset", [12, 22])
def test_other_opsets_are_refused(made: Network, opset: int) -> None:
    with pytest.raises(UserError, match=f"COMPILE.OPSET is {opset}; expected 13 to 21, such as 17"):
        to_onnx(made.program, form=Form(opset))


def test_every_tensor_has_a_shape(files: dict[str, ModelProto]) -> None:
    for model in files.values():
        known = {value.name for value in (*model.graph.value_info, *model.graph.output)}
        assert {name for node in model.graph.node for name in node.output} <= known


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("opset", [17, 18])
def test_an_open_batch_is_single_runs(made: Network, name: str, opset: int) -> None:
    model = to_onnx(made.program, SPELLINGS[name], Form(opset, dynamic_batch=True))
    batch = pictures((3, *BLOCK[1:]), 1)[0]
    ends = (*model.graph.input, *model.graph.output)
    assert {end.type.tensor_type.shape.dim[0].dim_param for end in ends} == {"N"}
    singles = [run(model, batch[index : index + 1]) for index in range(3)]
    np.testing.assert_allclose(run(model, batch), np.concatenate(singles), atol=1e-6)


def test_float_is_float(made: Network, picture: Tensor) -> None:
    model = to_onnx(made.float_program)
    assert not {"QuantizeLinear", "DequantizeLinear", "BatchNormalization"} & set(kinds(model))
    np.testing.assert_allclose(run(model, picture), torch_says(made.floating, picture), atol=1e-4)


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_ballast(files: dict[str, ModelProto], name: str) -> None:
    graph = files[name].graph
    read = {source for node in graph.node for source in node.input} | {output.name for output in graph.output}
    assert [node.name for node in graph.node if not read & set(node.output)] == []
    assert {constant.name for constant in graph.initializer} <= read
    assert len({constant.name for constant in graph.initializer}) == len(graph.initializer)
    assert len({node.name for node in graph.node}) == len(graph.node)


@pytest.mark.parametrize("name", SPELLINGS)
def test_weights_are_stored_as_integers(files: dict[str, ModelProto], name: str) -> None:
    constants = {constant.name: constant for constant in files[name].graph.initializer}
    for layer, shape in {"stem.0": (6, 3, 3, 3), "conv": (6, 6, 3, 3), "deep": (5, 12, 3, 3)}.items():
        layer = layer.replace(".", "_")
        weight, scales = constants[f"{layer}.weight_quantized"], constants[f"{layer}.weight_scale"]
        assert (weight.data_type, tuple(weight.dims), tuple(scales.dims)) == (TensorProto.INT8, shape, shape[:1])
    assert constants["conv.bias_quantized"].data_type == TensorProto.INT32
    assert "deep.bias_quantized" not in constants
    large = [c.name for c in constants.values() if c.data_type == TensorProto.FLOAT and np.prod(c.dims) > 12]
    assert large == []


def test_texts_can_be_read_back(made: Network, tmp_path: Path) -> None:
    texts = {"classes": '["road", "sky"]', "mean": "[0.5]"}
    onnx.save(to_onnx(made.program, form=Form(metadata=texts)), tmp_path / "model.onnx")
    found = read_metadata(onnx.load(tmp_path / "model.onnx"))
    assert texts.items() <= found.items()
    assert set(found) - set(texts) == {"input", "output", "form", "macs", "parameters"}


def test_the_fast_path_agrees(made: Network, files: dict[str, ModelProto], picture: Tensor) -> None:
    for name, model in files.items():
        reference, fast = run(model, picture), run(model, picture, optimise=True)
        assert np.abs(fast - reference).max() < 0.15 * np.abs(reference).max(), name
        assert np.abs(fast - reference).mean() < 0.02 * np.abs(reference).max(), name


@pytest.mark.parametrize("name", ["plain", "openvino"])
def test_openvino_agrees(files: dict[str, ModelProto], picture: Tensor, tmp_path: Path, name: str) -> None:
    pytest.importorskip("openvino", reason="needs the extra runtimes")
    onnx.save(files[name], tmp_path / "model.onnx")
    compiled = core().compile_model(str(tmp_path / "model.onnx"), "CPU")
    fast, reference = compiled(picture.numpy())[0], run(files[name], picture)
    assert np.abs(fast - reference).max() < 0.15 * np.abs(reference).max()
    assert np.abs(fast - reference).mean() < 0.02 * np.abs(reference).max()


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.first(x), self.second(x)


def test_two_outputs_are_numbered() -> None:
    made = network(Two())
    for spelling in SPELLINGS.values():
        model = to_onnx(made.program, spelling)
        assert [output.name for output in model.graph.output] == ["out0", "out1"]
        assert departing(model, made) == []


def test_two_outputs_have_no_classes() -> None:
    with pytest.raises(UserError, match=r"the network has 2 outputs; COMPILE\.OUTPUT argmax takes one"):
        to_onnx(network(Two()).program, form=Form(io=IOSpec(result="argmax")))


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logits, self.tail = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.logits(x))


def test_a_layer_with_a_name_of_the_ends_is_refused() -> None:
    with pytest.raises(UserError, match=r"test_writer.py:\d+: .* rename the layer logits"):
        to_onnx(network(Named()).program)


def test_the_last_layer_may_be_called_logits() -> None:
    model = Named()
    model.tail = nn.Identity()
    made = network(model)
    assert departing(to_onnx(made.program), made) == []
    assert [output.name for output in to_onnx(made.program, form=Form(io=IOSpec(result="argmax"))).graph.output] == [
        "classes"
    ]


def test_an_int8_tensor_that_is_also_the_output() -> None:
    made = small(lambda m, y: (lambda z: torch.relu(z) + z.mean(1, keepdim=True))(y * y).mean((2, 3)))
    for spelling in SPELLINGS.values():
        assert departing(to_onnx(made.program, spelling), made) == []


class Image(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.tail = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.tail(self.first(image))


@pytest.mark.parametrize("source", ["float", "uint8"])
def test_the_networks_input_may_be_called_image(source: str) -> None:
    made = network(Image())
    model = to_onnx(made.program, form=Form(io=IOSpec(source)))
    assert made.program.steps[0].name == model.graph.input[0].name == "image"
    if source == "float":
        assert departing(model, made) == []


class Random(nn.Module):
    """Layers that each read the last tensor and one before."""

    def __init__(self, kinds: list[str], width: int) -> None:
        super().__init__()
        self.kinds, self.first, self.tail = kinds, nn.Conv2d(3, width, 1), nn.Conv2d(width, 2, 1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=bool(i % 2)) for i in range(len(kinds)))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in kinds)

    def forward(self, x: Tensor) -> Tensor:
        before = x = self.first(x)
        for index, kind in enumerate(self.kinds):
            before, x = x, self.one(kind, index, x, before)
        return self.tail(x)

    def one(self, kind: str, index: int, x: Tensor, before: Tensor) -> Tensor:
        forms = {
            "conv": lambda: self.convs[index](x),
            "conv_relu": lambda: torch.relu(self.convs[index](x)),
            "conv_norm_relu": lambda: torch.relu(self.norms[index](self.convs[index](x))),
            "norm": lambda: self.norms[index](x),
            "relu": lambda: torch.relu(x),
            "add": lambda: x + before,
            "add_relu": lambda: torch.relu(x + before),
            "gate": lambda: torch.sigmoid(x) * before,
            "complement": lambda: (1 - torch.sigmoid(x)) * before,
        }
        return forms[kind]()


KINDS = ("conv", "conv_relu", "conv_norm_relu", "norm", "relu", "add", "add_relu", "gate", "complement")


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=5),
    st.sampled_from(["symmetric", "affine"]),
    st.sampled_from(sorted(SPELLINGS)),
    st.integers(0, 100),
)
def test_random_networks(layers: list[str], scheme: str, spelling: str, seed: int) -> None:
    torch.manual_seed(seed)
    model = shuffle_norms(Random(layers, width=3))
    made = network(model, spec=qat.QuantSpec(scheme=scheme, observer="min_max"))
    assert departing(to_onnx(made.program, SPELLINGS[spelling]), made) == []
    picture = pictures(count=1)[0]
    np.testing.assert_allclose(run(to_onnx(made.float_program), picture), torch_says(model, picture), atol=1e-4)
