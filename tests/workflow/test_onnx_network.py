"""MODEL.NAME net.onnx: a float ONNX file goes through every stage and comes out as int8."""

from __future__ import annotations

import json
import re
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from qat.cli.main import main
from qat.config import load_config
from qat.errors import UserError
from qat.models.onnx.network import ROWS
from qat.workflow.load import load_float, load_stage
from qat.workflow.network import network_spec
from tests.models.onnx.exported import export
from tests.workflow.dots import DESCRIPTOR, write_pictures

RUN = """
MODEL: {NAME: net.onnx, OUTPUT: 0}
DATASET: {DATASET: data/dots.yaml}
TEST: {IMAGE_SIZE: [128, 64], MODEL_FILE: ""}
DEVICE: cpu
WORKERS: 0
"""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.deep, self.head = nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        early = nn.functional.hardswish(self.norm(self.stem(x)))
        deep = nn.functional.interpolate(self.deep(early), early.shape[2:], mode="bilinear", align_corners=False)
        return self.head(torch.relu(deep + early)), early


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    write_pictures(tmp_path / "data")
    (tmp_path / "data" / "dots.yaml").write_text(DESCRIPTOR)
    (tmp_path / "net.yaml").write_text(RUN)
    export(Net(), tmp_path / "net.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_stage_takes_it_and_it_comes_out_as_int8(folder: Path) -> None:
    crops = ["TRAIN.IMAGE_SIZE", "64,64", "TRAIN.BASE_SIZE", "128", "TRAIN.BATCH_SIZE_PER_GPU", "2"]
    few = ["COMPILE.RUNTIMES", "['ort']", "COMPILE.PARITY_IMAGES", "2", "COMPILE.BENCH_ROUNDS", "0"]
    for command in (
        ["check"],
        ["calib"],
        ["eval", "--stage", "int_infer"],
        ["qat", *crops, "QAT.END_EPOCH", "1"],
        ["compile", *few],
        ["eval", "--stage", "compiled", "COMPILE.RUNTIME", "ort"],
    ):
        assert main([command[0], "-c", "net.yaml", *command[1:]]) == 0, command
    compiled = folder / "output" / "dots" / "net" / "compile"
    written = onnx.load(compiled / "model_ort.onnx")
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in written.graph.node}
    assert json.loads((compiled / "eval" / "ort" / "metrics.json").read_text())["pixels_changed"] < 0.05


def test_its_facts_are_found_and_another_file_makes_stages_stale(folder: Path) -> None:
    spec = network_spec(load_config("net.yaml"))
    assert (spec.name, spec.stride, spec.side_multiple) == ("net", 2, 2)
    assert load_config("net.yaml", ["MODEL.NAME", "net.onnx"]).NAME == "net"
    assert main(["calib", "-c", "net.yaml"]) == 0
    load_stage(load_config("net.yaml"), "calib")
    export(Net(), folder / "net.onnx", axes="batch")
    with pytest.raises(UserError, match=r"takes pictures of 48x32 alone"):
        load_stage(load_config("net.yaml"), "calib")
    with torch.no_grad():
        other = Net()
        other.stem.stride = (4, 4)
    export(other, folder / "net.onnx")
    with pytest.raises(UserError, match=r"MODEL\.NAME's network \(sha256\)"):
        load_stage(load_config("net.yaml"), "calib")


def test_an_output_has_a_name_or_an_index(folder: Path) -> None:
    named = load_float(load_config("net.yaml", ["MODEL.OUTPUT", "out"]))
    assert named(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 32, 32)
    with pytest.raises(UserError, match=r"MODEL\.OUTPUT 2 is no tensor of net\.onnx, which gives out: .*, aux: "):
        load_float(load_config("net.yaml", ["MODEL.OUTPUT", "2"]))


def test_a_network_that_differs_from_onnx_runtime_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROWS, "Relu", lambda step, x: 1.1 * torch.relu(x))
    with pytest.raises(UserError, match=r"its logits differ from ONNX Runtime's by .* of the largest"):
        network_spec(load_config("net.yaml"))


WRONG = {
    "no such file": (["MODEL.NAME", "nte.onnx"], r"nte\.onnx: there is no such file"),
    "arguments": (["MODEL.KWARGS", "{width: 3}"], r"MODEL\.KWARGS is \{'width': 3\} and .* net\.onnx is a file"),
    "several outputs": (["MODEL.OUTPUT", "None"], r"MODEL\.NAME net\.onnx gives .*; set MODEL\.OUTPUT"),
    "an int8 file": (["MODEL.NAME", "int8.onnx"], r"int8\.onnx is quantised already \(QuantizeLinear, node q\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(folder / "net.onnx")
    model.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["x", "s"], ["z"], "q"))
    onnx.save(model, folder / "int8.onnx")
    options, said = WRONG[case]
    assert main(["check", "-c", "net.yaml", *options]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(said, lines[0]), lines[0]


def test_without_onnx_runtime_it_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qat.runtimes.optional.is_installed", lambda module: False)
    with pytest.raises(UserError, match=r"onnxruntime is not installed; pip install"):
        network_spec(load_config("net.yaml"))
