"""What runs stage int_infer: torch.ao's kernels, or the program; recorded, and without torch.ao's kernels at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.errors import UserError
from qat.files import read_json, write_json
from qat.program.run import ProgramNetwork
from qat.workflow import calibrate, evaluate, kernels
from qat.workflow.compilation import compile
from qat.workflow.load import load_stage
from qat.workflow.report_page import report
from qat.workflow.run import folders_of
from tests.networks import TINY, registered, tiny_weights


class Growing(nn.Module):
    """Logits at full size by a transposed convolution from 6 to 4 channels, which torch's onednn gets wrong."""

    def __init__(self, num_classes: int = 19, aux: bool = True) -> None:
        super().__init__()
        self.down, self.act = nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU()
        self.up = nn.ConvTranspose2d(6, 4, 2, 2)
        self.tail = nn.Conv2d(4, num_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.act(self.up(self.act(self.down(x)))))


GROWING = replace(TINY, name="growing", build=Growing, stride=1, outputs=("logits",), auxiliary=())


def config_of(name: str, weights: Path, folder: Path) -> CfgNode:
    values: dict[str, Any] = {
        "MODEL.NAME": name,
        "TEST.MODEL_FILE": str(weights),
        "OUTPUT_DIR": str(folder / name),
        "DATASET.ROOT": str(folder / "data"),
        "DATASET.STREETS_TRAIN": 2,
        "DATASET.STREETS_VAL": 2,
        "QUANT.CALIB_IMAGES": 1,
        "QUANT.OBSERVER": "min_max",
        "QUANT.WEIGHT_OBSERVER": "min_max",
        "COMPILE.RUNTIMES": ["ort"],
        "COMPILE.INPUT_SIZE": [64, 128],
        "COMPILE.BENCH_ROUNDS": 0,
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    return with_values(load_config("streets/pidnet_s"), values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with registered(TINY, GROWING):
        yield tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> CfgNode:
    config = config_of("tiny", tiny_weights(folder / "tiny.safetensors", 19), folder)
    calibrate(config)
    return config


@pytest.fixture(scope="module")
def growing(folder: Path) -> CfgNode:
    torch.manual_seed(0)
    save_file(Growing().state_dict(), folder / "growing.safetensors")
    config = config_of("growing", folder / "growing.safetensors", folder)
    calibrate(config)
    return config


def test_where_torch_agrees_it_runs_and_is_recorded(tiny: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_stage(tiny, "int_infer").network
    assert isinstance(network, torch.jit.ScriptModule)
    path = folders_of(tiny).stage("int_infer") / "kernels.json"
    record = read_json(path)
    assert record["name"] == "torch.ao"
    assert record["torch"] == torch.__version__
    assert {"vnni", "cpu_capability"} <= record.keys()
    with monkeypatch.context() as patch:  # decided once
        patch.setattr(kernels, "choose_kernels", lambda *_: pytest.fail("decided again"))
        load_stage(tiny, "int_infer")
    for key, value in (("torch", "1.0"), ("cpu_capability", "none"), ("made_from", {})):
        write_json(path, record | {key: value, "name": "program"})
        assert isinstance(load_stage(tiny, "int_infer").network, torch.jit.ScriptModule)  # and again on another machine
        assert read_json(path) == record


def test_where_torch_departs_the_program_runs_and_everything_says_so(
    growing: CfgNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    why = r"torch.ao's engine onednn departs: up (conv_transpose2d, "
    measured = evaluate(growing, stage="int_infer").stages["int_infer"]
    assert measured["kernels"]["name"] == "program"
    assert measured["kernels"]["reason"].startswith(why)
    assert any(f"int8 by program: {why}" in line for line in caplog.messages)
    assert isinstance(load_stage(growing, "int_infer").network, ProgramNetwork)
    page = report(growing).path.read_text(encoding="utf-8")
    assert "int8 kernels" in page
    assert "program: torch.ao&#39;s engine onednn departs: up (conv_transpose2d" in page


def test_an_engine_by_name_that_departs_is_one_line(growing: CfgNode) -> None:
    expected = r"^torch\.ao's engine onednn departs: up \(conv_transpose2d, .*\.py:\d+\) is off .*QUANT\.ENGINE auto"
    with pytest.raises(UserError, match=expected):
        load_stage(with_values(growing, {"QUANT.ENGINE": "onednn"}), "int_infer")


def test_compile_lists_int_model_as_missing_with_the_reason(growing: CfgNode) -> None:
    done = compile(growing)
    record = read_json(done.folder / "manifest.json")
    assert not (done.folder / "int_model.pt").exists()
    assert record["missing"]["int_model.pt"].startswith("torch.ao's engine onednn departs: up (conv_transpose2d, ")
    assert record["kernels"]["name"] == "program"
    entry = done.parity["int_model.pt"]["torchscript"]
    assert (entry["status"], entry["reason"]) == ("missing", record["missing"]["int_model.pt"])
    assert done.parity["model.onnx"]["ort"]["status"] == "ok"
    with pytest.raises(UserError, match=r"made no int_model\.pt in .*torch\.ao's engine onednn departs"):
        load_stage(with_values(growing, {"COMPILE.RUNTIME": "torchscript"}), "compiled")


class Special(Growing):
    """With two operations in a row that int8 lacks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(torch.special.entr(torch.special.erfcx(self.up(self.act(self.down(x))))))


def test_float_between_int8_layers_is_refused_or_listed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    torch.manual_seed(0)
    save_file(Growing().state_dict(), folder / "special.safetensors")
    with registered(replace(GROWING, name="special", build=Special)):
        config = config_of("special", folder / "special.safetensors", folder)
        with pytest.raises(UserError, match=r"^special_erfcx \(.*test_kernels\.py:\d+\) would run in float between"):
            calibrate(config)
        assert not list((folder / "special").rglob("*.ckpt"))
        calibrate(with_values(config, {"QUANT.ALLOW_FLOAT": True}))
    assert any(line.startswith("in float between int8 layers: special_erfcx (") for line in caplog.messages)


STREETS = Path("assets/pidnet_s_streets.safetensors")


class Gone:
    """torch.ops.quantized of a torch without quantised kernels."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"torch has no quantized.{name} any more")


@pytest.mark.parametrize("name", ["tiny", pytest.param("pidnet_s", marks=pytest.mark.slow)])
def test_all_stages_pass_without_quantised_kernels_of_torch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise RuntimeError("a quantised tensor of torch was made")

    for function in ("quantize_per_tensor", "quantize_per_channel", "_empty_affine_quantized"):
        monkeypatch.setattr(torch, function, gone)
    monkeypatch.setattr(torch.ops, "quantized", Gone())
    with registered(TINY):
        weights = STREETS if name == "pidnet_s" else tiny_weights(tmp_path / "tiny.safetensors", 19)
        config = config_of(name, weights, tmp_path)
        calibrate(config)
        measured = evaluate(config, stage="int_infer").stages
        assert measured["int_infer"]["kernels"]["name"] == "program"
        assert measured["int_infer"]["mean_iou"] == pytest.approx(measured["float"]["mean_iou"], abs=0.01)
        done = compile(config)
    assert done.parity["model_ort.onnx"]["ort"]["status"] == "ok"
    assert done.parity["int_model.pt"]["torchscript"]["status"] == "missing"
