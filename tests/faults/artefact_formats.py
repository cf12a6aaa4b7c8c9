"""Files that a run makes and reads again: artefacts that their manifest vouches for, a training's checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from torch.optim import SGD
from yacs.config import CfgNode

from qat.files import read_json, sha256, write_json
from qat.stages.folders import INT8_ONNX, INT_MODEL
from qat.training.state import CHECKPOINT, Progress, State, WeightAverage
from qat.workflow import calibrate, compile
from qat.workflow.artefact import load_compiled
from qat.workflow.run import folders_of
from tests.faults.conftest import CLASSES, compiling_quickly, config
from tests.faults.format import Format, files_of
from tests.networks import TinyNet

RARELY = 1  # a child process reads each


def artefact_formats(root: Path) -> dict[str, Format]:
    """By name; `root`: a run's folder with data and weights."""
    cfg = config(root, "OUTPUT_DIR", str(root / "compiled"), "COMPILE.TRUST", "True")
    calibrate(cfg)
    with pytest.MonkeyPatch.context() as patch:
        compiling_quickly(patch)
        compile(cfg)
    made = {"compiled ONNX": ("ort", INT8_ONNX), "TorchScript": ("torchscript", INT_MODEL)}
    return {
        "training's checkpoint": Format({CHECKPOINT: _checkpoint(root)}, _resumed),
        **{title: _artefact(cfg, root, *named) for title, named in made.items()},
    }


def _artefact(cfg: CfgNode, root: Path, runtime: str, name: str) -> Format:
    """Trusted and vouched for: the damage reaches the runtime."""
    folder = folders_of(cfg).stage("compile")
    chosen = ("COMPILE.TRUST", "True", "COMPILE.RUNTIME", runtime, "COMPILE.ARTEFACT", name)
    own = config(root, "OUTPUT_DIR", cfg.OUTPUT_DIR, *chosen)

    def run(damaged: Path, _: str) -> object:
        shutil.copytree(damaged, folder, dirs_exist_ok=True)
        manifest = read_json(folder / "manifest.json")
        manifest["artefacts"][name]["sha256"] = sha256(folder / name)
        write_json(folder / "manifest.json", manifest)
        return load_compiled(own)

    return Format({name: files_of(folder)[name]}, run, share=RARELY)


def _state() -> State:
    model = TinyNet(CLASSES, aux=False)
    return State(model, WeightAverage(model, 0.9), SGD(model.parameters(), 0.1, momentum=0.9), Progress(1, 2, 0.5))


def _checkpoint(root: Path) -> bytes:
    _state().save(root / CHECKPOINT, "NAME: tiny\n")
    return (root / CHECKPOINT).read_bytes()


def _resumed(folder: Path, name: str) -> object:
    return _state().load(folder / name)
