"""Export: each walkthrough's network in its operator set, in the runtime that it is for; mistakes in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from qat.cli.main import main
from qat.compile.float_onnx import Ends, renamed
from qat.compile.onnx_file import open_onnx, opset_of, show_onnx
from qat.config import load_config
from qat.errors import UserError
from qat.models import build_model
from qat.workflow.exporting import Export, OnnxOptions, export

pytest.importorskip("onnxruntime", reason="files are proven in the extra: runtimes")
SIDE = 64


def exported(name: str, folder: Path, size: str = f"{SIDE},{SIDE}", **options: Any) -> Export:
    """The network with random weights, as ONNX."""
    config = "streets_objects/yolov5n_train" if name.startswith("yolov5") else "streets/pidnet_s"
    torch.manual_seed(0)
    torch.save(build_model(name, load_config(config).DATASET.NUM_CLASSES).state_dict(), folder / "net.pth")
    keys = ["MODEL.NAME", name, "TEST.MODEL_FILE", str(folder / "net.pth"), "TEST.IMAGE_SIZE", size]
    return export(load_config(config, keys), output=folder / "net.onnx", options=OnnxOptions(**options))


@pytest.mark.parametrize(
    ("name", "opset", "options"),
    [
        ("bisenetv2", 16, {"aux_mode": "pred"}),
        ("bisenetv1", 16, {"dynamic_batch": True}),
        ("yolov5n", 12, {"inputs": ("images",), "outputs": ("out0", "out1", "out2")}),
        ("mnasnet0_5", 11, {}),
        ("litehrnet18", 11, {}),
    ],
)
def test_a_walkthroughs_network_in_its_operator_set(
    name: str, opset: int, options: dict[str, Any], tmp_path: Path
) -> None:
    done = exported(name, tmp_path, opset=opset, **options)
    assert done.file is not None
    assert opset_of(onnx.load(done.path)) == opset
    if "aux_mode" in options:
        assert done.file.outputs == {"classes": f"int32 (1, {SIDE}, {SIDE})"}
        assert done.file.same == 1
    else:
        assert done.file.decibels is None or done.file.decibels > 100
    assert list(done.file.inputs) == list(options.get("inputs", ["image"]))
    assert list(done.file.outputs) == list(options.get("outputs", done.file.outputs))


def test_the_anchors_are_those_of_the_weights_that_are_named(tmp_path: Path) -> None:
    network = build_model("yolov5n", 8)
    network.get_buffer("model.24.anchors").fill_(2)
    torch.save(network.state_dict(), tmp_path / "other.pth")
    config = load_config("streets_objects/yolov5n_train", ["TEST.IMAGE_SIZE", f"{SIDE},{SIDE}"])
    path, weights = tmp_path / "net.onnx", tmp_path / "other.pth"
    export(config, output=path, weights=weights, options=OnnxOptions())
    assert show_onnx(path).facts["anchors"] == str([[[2.0 * side] * 2] * 3 for side in (8, 16, 32)])
    with pytest.raises(UserError, match="--weights is for --stage float"):
        export(config, output=path, weights=weights, options=OnnxOptions(stage="calib"))


def test_opencv_runs_the_detector(tmp_path: Path) -> None:
    import cv2

    done = exported("yolov5n", tmp_path, opset=12)
    network = cv2.dnn.readNetFromONNX(str(done.path))
    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)
    network.setInput(picture)
    found = network.forward(["out0", "out1", "out2"])
    import onnxruntime

    wanted = onnxruntime.InferenceSession(done.path).run(["out0", "out1", "out2"], {"image": picture})
    assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(found, wanted, strict=True))


def test_a_wrong_file_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qat.compile.float_onnx.to_onnx", _doubled)
    with pytest.raises(UserError, match=r"net\.onnx isn't written: it isn't what torch computes"):
        exported("mnasnet0_5", tmp_path)
    assert not (tmp_path / "net.onnx").exists()


def _doubled(program: Any, form: Any) -> onnx.ModelProto:
    from qat.compile.onnx.writer import to_onnx

    model = to_onnx(program, form=form)
    last = next(array for array in reversed(model.graph.initializer) if len(array.dims) > 1)
    last.CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(last), last.name))
    return model


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"opset": 10}, "--opset is 10; expected 11 to 21"),
        ({"opset": 12, "stage": "calib"}, "expected 13 to 21; int8 with a scale a channel needs operator set 13"),
        ({"stage": "int8"}, "--stage is int8; "),
        ({"aux_mode": "test"}, "--aux-mode is test; "),
        ({"aux_mode": "pred"}, "MODEL.NAME mnasnet0_5 is a network for classification, and --aux-mode pred takes segm"),
        ({"inputs": ("a", "b")}, "--inputs names 2, and a network takes one picture"),
        ({"outputs": ("a", "b")}, "--outputs names 2, and the file has 1: logits"),
        ({"outputs": ("image",)}, "the name image is taken in the file"),
    ],
)
def test_a_mistake_is_one_line(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^[^\n]*$") as raised:
        exported("mnasnet0_5", tmp_path, **options)
    assert said in str(raised.value)
    assert not (tmp_path / "net.onnx").exists()


def test_options_of_a_graph_are_not_for_tensors(tmp_path: Path) -> None:
    config = load_config("streets/pidnet_s")
    with pytest.raises(UserError, match=r"are for a file that ends in \.onnx"):
        export(config, output=tmp_path / "a.npz", options=OnnxOptions(opset=11))
    with pytest.raises(UserError, match=r"a\.tflite ends in \.tflite; expected \.safetensors, \.npz, \.onnx"):
        export(config, output=tmp_path / "a.tflite")


def test_names_reach_every_node(tmp_path: Path) -> None:
    model = onnx.load(exported("mnasnet0_5", tmp_path).path)
    other = renamed(model, Ends("x", ("y",)))
    onnx.checker.check_model(other, full_check=True)
    assert [one.name for one in (*other.graph.input, *other.graph.output)] == ["x", "y"]


# --- opset and show ---


def test_an_old_file_is_raised_and_never_lowered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported("mnasnet0_5", tmp_path, opset=11).path
    assert main(["opset", str(path), "--to", "17"]) == 0
    assert opset_of(open_onnx(tmp_path / "net_opset17.onnx")) == 17
    assert "operator set 11 -> 17, outputs " in capsys.readouterr().out
    for to, said in (
        ("11", "set 11 already"),
        ("10", "it can't be lowered to 10"),
        ("99", "knows operator sets up to"),
    ):
        assert main(["opset", str(path), "--to", to]) == 2
        assert said in capsys.readouterr().err
    assert main(["opset", str(path), "--to", "17", "--output", str(path)]) == 2
    assert "is the file that is read" in capsys.readouterr().err


def test_what_blocks_a_raise_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported("mnasnet0_5", tmp_path, opset=11).path
    model = onnx.load(path)
    model.graph.node[0].op_type = "Upsample"
    onnx.save(model, path)
    assert main(["opset", str(path), "--to", "17"]) == 2
    assert "can't be raised to operator set 17: " in capsys.readouterr().err
    assert not (tmp_path / "net_opset17.onnx").exists()


def test_show_counts_what_the_network_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = build_model("mnasnet0_5", 19).eval()
    shown = show_onnx(exported("mnasnet0_5", tmp_path, opset=13, dynamic_batch=True).path)
    weights = sum(one.numel() for name, one in network.named_parameters() if one.dim() > 1)
    assert shown.inputs == {"image": f"float32 (N, 3, {SIDE}, {SIDE})"}
    assert weights < shown.parameters < weights * 1.02  # and the biases
    assert shown.facts["operator set"] == "13"
    assert shown.facts["quantised"] == "no"
    assert main(["show", str(tmp_path / "net.onnx"), "--layers"]) == 0
    assert shown.outputs == {"logits": "float32 (N, 19)"}
    assert main(["show", str(tmp_path / "net.pth")]) == 0
    assert capsys.readouterr().out.endswith(f"{len(network.state_dict())} tensors, {_values(network):,} values\n")
    (tmp_path / "net.xml").write_text("<?xml?>\n<net>\n\t<layers>")
    assert main(["show", str(tmp_path / "net.xml")]) == 2
    assert "net.xml is OpenVINO's, which show doesn't read" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "none.onnx")]) == 2
    assert "there is no file" in capsys.readouterr().err


def _values(network: torch.nn.Module) -> int:
    """All that a state dict holds: a checkpoint's statistics are no parameters."""
    return sum(one.numel() for one in network.state_dict().values())


def test_show_of_a_config_and_of_its_file_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["show", "streets/pidnet_s", "MODEL.NAME", "mnasnet0_5", "TEST.IMAGE_SIZE", f"{SIDE},{SIDE}"]
    assert main(config) == 0
    of_config = capsys.readouterr().out.splitlines()[-1]
    exported("mnasnet0_5", tmp_path)
    assert main(["show", str(tmp_path / "net.onnx")]) == 0
    of_file = capsys.readouterr().out.splitlines()[-1]
    assert of_config.partition(" layers, ")[2] == of_file.partition(" layers, ")[2]
