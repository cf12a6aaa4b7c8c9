"""Float ONNX becomes ncnn's two files; QDQ files and what pnnx can't read are refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

pytest.importorskip("ncnn", reason="needs the extra: runtimes")
pytest.importorskip("pnnx", reason="needs the extra: runtimes")

from qat.errors import UserError
from qat.runtimes.ncnn import Ncnn
from tests.runtimes.tiny import SHAPE


def test_two_files_that_know_the_size_of_pictures(artefacts: Path, tmp_path: Path) -> None:
    Ncnn().convert(artefacts / "float.onnx", tmp_path / "model.ncnn.param")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ncnn.bin", "model.ncnn.param"]
    assert Ncnn().load(tmp_path / "model.ncnn.param", 1).artefact.shape == SHAPE


def test_qdq_is_refused_with_the_reason(artefacts: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^ncnn can't convert .*s8.onnx .*pnnx.Expression"):
        Ncnn().convert(artefacts / "s8.onnx", tmp_path / "model.ncnn.param")
    assert not list(tmp_path.iterdir())


def test_an_op_that_pnnx_leaves_as_it_is_is_found_by_running(artefacts: Path, tmp_path: Path) -> None:
    model = onnx.load(artefacts / "float.onnx")
    for node in model.graph.node:
        if node.op_type == "Pad":
            del node.attribute[:]  # pnnx doesn't know the default mode, constant
    onnx.save(model, tmp_path / "odd.onnx")
    (tmp_path / "model.ncnn.param").write_text("an earlier one")
    with pytest.raises(UserError, match="Pad not exists or registered"):
        Ncnn().convert(tmp_path / "odd.onnx", tmp_path / "model.ncnn.param")
    assert (tmp_path / "model.ncnn.param").read_text() == "an earlier one"


def test_classes_inside_are_refused_with_the_setting(tmp_path: Path) -> None:
    ends = [onnx.helper.make_tensor_value_info("image", 1, SHAPE)]
    ends.append(onnx.helper.make_tensor_value_info("classes", 7, (SHAPE[0], *SHAPE[2:])))
    node = onnx.helper.make_node("ArgMax", ["image"], ["classes"], axis=1, keepdims=0)
    graph = onnx.helper.make_graph([node], "network", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "pred.onnx")
    with pytest.raises(UserError, match=r"no ArgMax, which .*pred\.onnx ends with; COMPILE\.OUTPUT logits"):
        Ncnn().convert(tmp_path / "pred.onnx", tmp_path / "model.ncnn.param")
