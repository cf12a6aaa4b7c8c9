"""Stage compiled: which file is taken, and what it is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

from qat.data.fit import Fit
from qat.errors import UserError
from qat.files import sha256
from qat.stages import origin_of
from qat.workflow.artefact import CompiledFile, find_artefact, in_its_form, load_compiled, realigned
from qat.workflow.run import folders_of, run_of
from tests.compile import blocks

SMALL, BIG = {"height": 50, "width": 70}, {"height": 100, "width": 140}  # pictures before they are padded


def artefact(output: str) -> CompiledFile:
    return CompiledFile(Path("model.onnx"), {}, {"width": 64, "height": 32}, output)


@pytest.mark.parametrize(("output", "shape"), [("logits", (4, 8)), ("upsampled", (32, 64)), ("argmax", (32, 64))])
def test_float_logits_of_pictures_of_another_size_take_the_artefacts_form(output: str, shape: tuple[int, int]) -> None:
    logits = torch.randn(2, 3, 16, 40, generator=torch.Generator().manual_seed(0))
    found = in_its_form(logits, artefact(output), 8, True)
    assert found.shape == (2, 3, *shape)
    assert (output == "argmax") == bool((found.sum(1) == 1).all())


def test_logits_of_the_same_size_are_not_touched() -> None:
    logits = torch.randn(1, 3, 4, 8)
    assert torch.equal(in_its_form(logits, artefact("logits"), 8, False), logits)


def test_parts_count_and_a_missing_file_says_why(tmp_path: Path) -> None:
    cfg = blocks.options(tmp_path, "COMPILE.RUNTIME", "ncnn")
    folder = folders_of(cfg).stage("compile")
    folder.mkdir(parents=True)
    name, part = folder / "model_float.ncnn.param", folder / "model_float.ncnn.bin"
    name.write_text("param")
    part.write_text("bin")
    record = {"sha256": sha256(name), "parts": {part.name: sha256(part)}}
    manifest = {"made_from": dict(origin_of(run_of(cfg), "compiled").values), "input": {"width": 8, "height": 8}}
    whole = manifest | {"artefacts": {name.name: record}, "missing": {"model_float.mnn": "MNN is not installed"}}
    (folder / "manifest.json").write_text(json.dumps(whole))
    assert find_artefact(cfg).path == name
    part.write_text("bit")
    with pytest.raises(UserError, match=r"model_float.ncnn.bin is damaged"):
        find_artefact(cfg)
    with pytest.raises(UserError, match=r"made no model_float.mnn in .*: MNN is not installed$"):
        find_artefact(blocks.options(tmp_path, "COMPILE.RUNTIME", "mnn"))


def test_a_device_that_the_runtime_has_not_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")
    cfg = blocks.options(tmp_path, "COMPILE.RUNTIME", "ort", "COMPILE.RUNTIME_DEVICE", "TPU")
    folder = folders_of(cfg).stage("compile")
    folder.mkdir(parents=True)
    (folder / "model_ort.onnx").write_text("onnx")
    artefacts = {"model_ort.onnx": {"sha256": sha256(folder / "model_ort.onnx")}}
    manifest = {"made_from": dict(origin_of(run_of(cfg), "compiled").values), "artefacts": artefacts}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"input": {"width": 8, "height": 8}}))
    with pytest.raises(UserError, match=r"^ort has no device TPU here; it has .*CPU.* \(RUNTIME_DEVICE\)"):
        load_compiled(cfg)


def test_logits_of_padded_pictures_are_moved_where_the_artefact_has_its_pictures() -> None:
    ramp = torch.arange(72.0).expand(1, 1, 56, 72)
    larger = CompiledFile(Path(), {}, {"width": 144, "height": 104, "fit": "pad", "picture": BIG}, "logits")
    moved = realigned(ramp, (50, 70), Fit("pad", 8), larger, False)
    assert moved.shape == (1, 1, 104, 144)
    assert torch.equal(moved[..., :100, :140], interpolate(ramp[..., :50, :70], (100, 140), mode="bilinear"))


def test_logits_where_nothing_is_padded_stay_as_they_are() -> None:
    logits = torch.randn(1, 3, 7, 9)
    same = CompiledFile(Path(), {}, {"width": 72, "height": 56, "fit": "pad", "picture": SMALL}, "logits")
    assert realigned(logits, (50, 70), Fit("pad", 8), same, False) is logits
    assert realigned(logits, (56, 72), Fit("pad", 8), artefact("logits"), False) is logits
    assert realigned(logits, (50, 70), Fit("resize", 8), artefact("logits"), False) is logits
