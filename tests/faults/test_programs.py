"""A TorchScript file is a program: one that the run didn't make isn't run unasked. A manifest stays in its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from qat.errors import UserError
from qat.files import read_json, sha256, write_json
from qat.stages.programs import inside
from qat.workflow import calibrate, compile, evaluate
from qat.workflow.run import folders_of
from tests.faults.conftest import config

RUNTIME = ("COMPILE.RUNTIME", "torchscript", "COMPILE.ARTEFACT", "model_float.pt")


class Harmless(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, ::2, ::2] * 0


@pytest.fixture
def compiled(root: Path, quick_compile: None) -> Path:
    calibrate(config(root))
    compile(config(root))
    return folders_of(config(root)).stage("compile")


def put_foreign(folder: Path) -> None:
    """Another program, which the folder's own manifest vouches for."""
    path = folder / "model_float.pt"
    torch.jit.trace(Harmless(), torch.zeros(1, 3, 16, 24)).save(str(path))
    manifest = read_json(folder / "manifest.json")
    manifest["artefacts"][path.name]["sha256"] = sha256(path)
    write_json(folder / "manifest.json", manifest)


def test_the_run_s_own_program_runs(root: Path, compiled: Path) -> None:
    assert "compiled torchscript" in evaluate(config(root, *RUNTIME), stage="compiled").stages


def test_a_foreign_program_asks(root: Path, compiled: Path) -> None:
    put_foreign(compiled)
    with pytest.raises(UserError, match=r"model_float\.pt is a program, .* no record of making it; .*TRUST"):
        evaluate(config(root, *RUNTIME), stage="compiled")
    assert "compiled torchscript" in evaluate(config(root, *RUNTIME, "COMPILE.TRUST", "True"), stage="compiled").stages


def test_a_folder_of_an_older_version_asks(root: Path, compiled: Path) -> None:
    (compiled.parent / "programs.json").unlink()
    with pytest.raises(UserError, match="no record of making it"):
        evaluate(config(root, *RUNTIME), stage="compiled")


def test_compiling_again_keeps_the_note(root: Path, compiled: Path) -> None:
    before = set(json.loads((compiled.parent / "programs.json").read_text()))
    compile(config(root, "COMPILE.OPSET", "16"))
    assert before <= set(json.loads((compiled.parent / "programs.json").read_text()))


def test_a_manifest_names_nothing_outside_of_its_folder(root: Path, compiled: Path) -> None:
    shutil.copy(compiled / "model_ort.onnx", root / "outside.onnx")
    manifest = read_json(compiled / "manifest.json")
    name = "../../../../outside.onnx"
    manifest["artefacts"][name] = manifest["artefacts"]["model_ort.onnx"]
    write_json(compiled / "manifest.json", manifest)
    assert (compiled / name).is_file()
    with pytest.raises(UserError, match=r"names .*outside\.onnx, outside of it"):
        evaluate(config(root, "COMPILE.ARTEFACT", name), stage="compiled")
    assert inside(compiled, "model.onnx") == compiled / "model.onnx"
