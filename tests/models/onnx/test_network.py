"""A float ONNX file as a network: equal to the module it was exported from, traced, trained, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from qat.errors import UserError
from qat.graph import rewrite, trace
from qat.graph.ops import BY_MODULE
from qat.graph.source import source_of
from qat.models.onnx import read_network
from tests.models.onnx.exported import AXES, NETWORKS, OUTPUTS, PICTURE, export
from tests.networks import shuffle_norms


def tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    return list(outputs.values()) if isinstance(outputs, dict) else list(outputs)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("opset", [11, 13, 17, 18])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_computes_what_the_exported_module_does(name: str, opset: int, axes: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = shuffle_norms(NETWORKS[name]()).eval()
    read = read_network(export(network, tmp_path / "net.onnx", opset, axes, OUTPUTS[name]))
    traced = trace(read, torch.zeros(PICTURE))
    sizes = [(1, 32, 48), (3, 32, 48)] + ([(2, 64, 32)] if axes == "any" else [])
    for batch, height, width in sizes:
        picture = torch.randn(batch, 3, height, width)
        with torch.no_grad():
            wanted, outputs = tensors(network(picture)), tensors(read(picture))
            followed = tensors(traced(picture)) if (height, width) == PICTURE[2:] else outputs
        for ours, graph, theirs in zip(outputs, followed, wanted, strict=True):
            assert torch.allclose(ours, theirs, atol=2e-5, rtol=1e-4)
            assert torch.equal(ours, graph)


def test_its_nodes_are_torch_s_layers_and_know_their_place(tmp_path: Path) -> None:
    read = read_network(export(NETWORKS["convolutional"](), tmp_path / "net.onnx"))
    graph = trace(read, torch.zeros(PICTURE))
    layers = [BY_MODULE[type(module)].name for module in read.children()]
    assert layers == ["conv2d", "prelu", "conv2d", "linear", "conv_transpose2d", "conv2d", "conv2d"]
    calls = {getattr(node.target, "__name__", node.target) for node in graph.graph.nodes}
    assert {"gelu", "silu", "mish", "hardswish", "hardsigmoid"} <= calls
    assert not {"erf", "softplus", "tanh"} & calls
    first = next(iter(graph.graph.find_nodes(op="call_module", target="stem_Conv")))
    assert source_of(first) == "net.onnx, node /stem/Conv:1"
    rewrite(read, torch.randn(PICTURE), "x86")


def test_it_trains(tmp_path: Path) -> None:
    read = read_network(export(NETWORKS["convolutional"](), tmp_path / "net.onnx")).train()
    tensors(read(torch.randn(2, 3, 64, 64)))[0].square().mean().backward()
    assert all(value.grad is not None for name, value in read.named_parameters() if not name.startswith("auxiliary"))


def model(*nodes: onnx.NodeProto, opset: int = 17, domain: str = "", **constants: np.ndarray) -> onnx.ModelProto:
    """A model over pictures x (N, 3, H, W) with output y."""
    kinds = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", kinds, outputs, initializers)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def node(op: str, *inputs: str, name: str = "it", domain: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, ["y"], name, domain=domain, **attributes)


RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
CHANNELS = RNG.normal(size=(3, 1, 1)).astype(np.float32)
NODES: dict[str, onnx.ModelProto] = {
    "SAME_UPPER": model(node("Conv", "x", "w", auto_pad="SAME_UPPER", strides=[2, 2]), w=WEIGHT),
    "SAME_LOWER": model(node("Conv", "x", "w", auto_pad="SAME_LOWER", strides=[2, 2]), w=WEIGHT),
    "one-sided padding": model(node("Conv", "x", "w", pads=[0, 0, 1, 1]), w=WEIGHT),
    "one-sided pooling": model(node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])),
    "ceil_mode": model(node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
    "mean without its padding": model(node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])),
    "Clip": model(node("Clip", "x", "low", "high"), low=np.float32(0), high=np.float32(6)),
    "Clip of old": model(node("Clip", "x", min=-0.5, max=0.5), opset=9),
    "a constant of channels": model(node("Mul", "c", "x"), c=CHANNELS),
    "DepthToSpace": model(
        helper.make_node("Conv", ["x", "w"], ["z"]), node("DepthToSpace", "z", blocksize=2), w=WEIGHT
    ),
    "DepthToSpace CRD": model(
        helper.make_node("Conv", ["x", "w"], ["z"]), node("DepthToSpace", "z", blocksize=2, mode="CRD"), w=WEIGHT
    ),
    "SpaceToDepth": model(node("SpaceToDepth", "x", blocksize=2)),
    "Resize by sizes": model(
        node("Resize", "x", "", "", "s", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        s=np.array([1, 3, 20, 9]),
    ),
    "Resize by scales": model(node("Resize", "x", "", "s", mode="linear"), s=np.array([1, 1, 2, 2], np.float32)),
    "Upsample": model(node("Upsample", "x", "s"), s=np.array([1, 1, 2, 3], np.float32), opset=9),
    "Slice backwards": model(
        node("Slice", "x", "a", "b", "c", "d"),
        a=np.array([-1]), b=np.array([np.iinfo(np.int64).min]), c=np.array([1]), d=np.array([-1]),
    ),
    "Gather of channels": model(node("Gather", "x", "i", axis=1), i=np.array([2, 0])),
    "Pad": model(node("Pad", "x", "p", "v"), p=np.array([0, 0, 1, 0, 0, 0, 0, 2]), v=np.float32(1.5)),
    "Gemm": model(
        helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Flatten", ["m"], ["f"]),
        node("Gemm", "f", "w", "b", transB=1, alpha=0.5, beta=2.0),
        w=RNG.normal(size=(4, 3)).astype(np.float32), b=RNG.normal(size=4).astype(np.float32),
    ),
    "MatMul from the left": model(node("MatMul", "w", "x"), w=RNG.normal(size=(5, 12)).astype(np.float32)),
    "Where": model(helper.make_node("Greater", ["x", "z"], ["g"]), node("Where", "g", "x", "z"), z=np.float32(0)),
    "Max of a number": model(node("Max", "x", "z"), z=np.float32(0.25)),
    "a weight that is computed": model(
        helper.make_node("Mul", ["w", "two"], ["scaled"]), node("Conv", "x", "scaled"), w=WEIGHT, two=np.float32(2)
    ),
    "ReduceL2": model(node("ReduceL2", "x", axes=[1])),
    "Split": model(
        helper.make_node("Split", ["x", "parts"], ["a", "b"], axis=1),
        node("Concat", "b", "a", axis=1),
        parts=np.array([1, 2]),
    ),
    "Softmax of old": model(node("Softmax", "x", axis=3), opset=11),
    "Tile": model(node("Tile", "x", "r"), r=np.array([1, 2, 1, 1])),
}  # fmt: skip


@pytest.mark.parametrize("case", NODES)
def test_an_operator_computes_what_onnx_defines(case: str, tmp_path: Path) -> None:
    onnx.save(NODES[case], tmp_path / "net.onnx")
    read = read_network(tmp_path / "net.onnx")
    picture = torch.randn(1, 3, 12, 18, generator=torch.Generator().manual_seed(1))
    (wanted,) = ReferenceEvaluator(NODES[case]).run(None, {"x": picture.numpy()})
    with torch.no_grad():
        assert np.allclose(read(picture).numpy(), wanted, atol=1e-5)
        assert torch.equal(trace(read, picture)(picture), read(picture))


def test_a_file_for_one_picture_takes_several_where_its_reshapes_lead_with_other_axes(tmp_path: Path) -> None:
    heads = helper.make_node("Reshape", ["x", "heads"], ["h"])
    back = node("Reshape", "h", "back")
    fixed = model(heads, back, heads=np.array([3, 8, 8]), back=np.array([1, 3, 8, 8]))
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(fixed, tmp_path / "net.onnx")
    read, picture = read_network(tmp_path / "net.onnx"), torch.randn(1, 3, 8, 8)
    assert torch.equal(read(picture), picture)


QUANTISED = model(node("QuantizeLinear", "x", "s", name="q"), s=np.float32(1))
WRONG = {
    "quantised": (QUANTISED, r"net\.onnx is quantised already \(QuantizeLinear, node q\)"),
    "custom": (model(node("Dcn", "x", domain="mine"), domain="mine"), r"custom operator mine::Dcn, node it"),
    "not converted": (model(node("NonZero", "x")), r"isn't converted \(NonZero, node it\)"),
    "half precision": (model(node("Mul", "x", "w"), w=np.zeros((3, 1, 1), np.float16)), r"16-bit weights \(w\)"),
    "computed weights": (model(node("Conv", "x", "x")), r"node it: Conv with weights that are computed"),
    "an odd resize": (
        model(
            node("Resize", "x", "", "s", coordinate_transformation_mode="tf_crop_and_resize"),
            s=np.ones(4, np.float32),
        ),
        r"node it: Resize of mode None, tf_crop_and_resize isn't converted",
    ),
    "an old operator set": (model(node("Relu", "x"), opset=6), r"operator set 6; expected at least 7"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused_is_one_line(case: str, tmp_path: Path) -> None:
    wrong, said = WRONG[case]
    onnx.save(wrong, tmp_path / "net.onnx")
    with pytest.raises(UserError, match=said) as caught:
        read_network(tmp_path / "net.onnx")(torch.zeros(1, 3, 8, 8))
    assert "\n" not in str(caught.value)


def test_a_file_for_other_inputs_is_refused(tmp_path: Path) -> None:
    wrong = model(node("Relu", "x"))
    wrong.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "channels"
    onnx.save(wrong, tmp_path / "net.onnx")
    with pytest.raises(UserError, match=r"input x is float \(n, channels, h, w\); expected .* a fixed C"):
        read_network(tmp_path / "net.onnx")
    wrong.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    onnx.save(wrong, tmp_path / "net.onnx")
    with pytest.raises(UserError, match=r"has 2 inputs \(x, z\)"):
        read_network(tmp_path / "net.onnx")


def test_no_file_and_no_onnx_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no such file"):
        read_network(tmp_path / "none.onnx")
    (tmp_path / "net.onnx").write_bytes(b"\x08\x99 no onnx")
    with pytest.raises(UserError, match=r"net\.onnx (can't be read as ONNX|holds no graph)"):
        read_network(tmp_path / "net.onnx")


def test_a_file_for_one_size_takes_no_other(tmp_path: Path) -> None:
    read = read_network(export(NETWORKS["convolutional"](), tmp_path / "net.onnx", axes="fixed"))
    with pytest.raises(UserError, match=r"pictures of 48x32 alone, not 64x64; set TEST\.IMAGE_SIZE 48,32, or export"):
        read(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("name", NETWORKS)
def test_torchscript_takes_every_size_that_the_file_takes(name: str, tmp_path: Path) -> None:
    read = read_network(export(NETWORKS[name](), tmp_path / "net.onnx", outputs=OUTPUTS[name]))
    with torch.no_grad():
        script = torch.jit.trace(Alone(read), torch.randn(PICTURE), check_trace=False)
        picture = torch.randn(2, 3, 64, 32)
        assert torch.allclose(script(picture), Alone(read)(picture), atol=1e-6)


class Alone(torch.nn.Module):
    """The first output."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return tensors(self.network(x))[0]
