"""Runs that take no time: a tiny network on pictures of 24x16, for every command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from yacs.config import CfgNode

from qat.compile.artefacts import ArtefactSpec
from qat.compile.perf.report import SpeedReport
from qat.compile.perf.run import BenchSettings, machine
from qat.config import load_config
from tests.networks import TINY, TinyNet, registered, shuffle_norms

CLASSES, WIDTH, HEIGHT = 3, 24, 16


def weights(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(shuffle_norms(TinyNet(CLASSES, aux=False)).state_dict(), path)
    return path


def data(folder: Path, seed: int = 0, count: int = 4) -> Path:
    """Pictures and labels by a list file; another seed gives other bytes under the same names."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index}.png"), rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        cv2.imwrite(str(folder / f"{index}_label.png"), rng.integers(0, CLASSES, (HEIGHT, WIDTH), dtype=np.uint8))
    lines = (f"{index}.png {index}_label.png\n" for index in range(count))
    (folder / "list.txt").write_text("".join(lines))
    return folder


def options(root: Path, *more: str) -> list[str]:
    """KEY VALUE ... of a run below `root`."""
    values = {
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": root / "first.pt",
        "TEST.IMAGE_SIZE": f"{WIDTH},{HEIGHT}",
        "TRAIN.IMAGE_SIZE": f"{WIDTH},{HEIGHT}",
        "TRAIN.BASE_SIZE": WIDTH,
        "TRAIN.BATCH_SIZE_PER_GPU": 2,
        "TRAIN.END_EPOCH": 2,
        "TRAIN.SCALE_FACTOR": 1,
        "DATASET.DATASET": "cityscapes",
        "DATASET.LABELS": "trainIds",
        "DATASET.NUM_CLASSES": CLASSES,
        "DATASET.ROOT": root / "data",
        "DATASET.TRAIN_SET": "list.txt",
        "DATASET.TEST_SET": "list.txt",
        "OUTPUT_DIR": root / "output",
        "LOG_DIR": root / "log",
        "NAME": "tiny",
        "QUANT.CALIB_IMAGES": 4,
        "QUANT.CALIB_BATCH_SIZE": 1,
        "QUANT.SAVE_EVERY": 2,
        "QUANT.OBSERVER": "min_max",
        "QAT.END_EPOCH": 1,
        "DEBUG.IMAGES": 1,
        "DEBUG.SENSITIVITY_IMAGES": 1,
        "COMPILE.RUNTIMES": "['ort']",
        "COMPILE.BENCH_ROUNDS": 0,
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    return [*(str(part) for pair in values.items() for part in pair), *more]


@pytest.fixture
def quick_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile writes its files, unproven, and they run in this process."""
    compiling_quickly(monkeypatch)
    monkeypatch.setattr("qat.workflow.artefact.Isolated", lambda runtime: runtime)


@pytest.fixture
def quick_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """bench-runtimes writes its files, which have no rows."""
    monkeypatch.setattr("qat.workflow.runtime_speed.bench", _unmeasured)


def _unmeasured(folder: Path, artefacts: object, x: Any, settings: BenchSettings, progress: object) -> SpeedReport:
    return SpeedReport(settings.title, [], machine(x, settings), {})


def compiling_quickly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("qat.compile.pipeline.stage_outputs", lambda *_: None)
    patch.setattr("qat.compile.pipeline.check_all", lambda *_: {})
    patch.setattr("qat.compile.pipeline.compare_all", _unproven)


def _unproven(checks: object, artefacts: Sequence[ArtefactSpec], *_: object) -> dict[str, Any]:
    return {spec.name: {"ort": {"images": 1, "status": "ok"}} for spec in artefacts}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A data set and two checkpoints."""
    data(tmp_path / "data")
    for seed, name in enumerate(("first.pt", "second.pt")):
        weights(tmp_path / name, seed)
    with registered(TINY):
        yield tmp_path


def config(root: Path, *more: str) -> CfgNode:
    return load_config(None, options(root, *more))
