"""A pickled module gives its weights without its code, and runs nothing."""

from __future__ import annotations

import os
import pickle
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qat.errors import UserError
from qat.models import build_model, load_checkpoint
from qat.models.pickled import read_network
from tests.models.seeded import seed_network

KNOWN = {  # our class: the published checkpoints' name of it
    "YOLOv5": "models.yolo.DetectionModel",
    "Detect": "models.yolo.Detect",
    "ConvBNSiLU": "models.common.Conv",
    "C3": "models.common.C3",
    "Residual": "models.common.Bottleneck",
    "SPPF": "models.common.SPPF",
    "SPP": "models.common.SPP",
    "Focus": "models.common.Focus",
}
CLASSES = 3


@contextmanager
def published_classes() -> Iterator[dict[str, type[nn.Module]]]:
    """Modules of the published names exist, with classes that do nothing, for as long as a file is written."""
    made: dict[str, type[nn.Module]] = {}
    names = {"models", *(name.rpartition(".")[0] for name in KNOWN.values())}
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    try:
        for ours, name in KNOWN.items():
            place, _, short = name.rpartition(".")
            made[ours] = type(short, (nn.Module,), {"__module__": place})
            setattr(sys.modules[place], short, made[ours])
        yield made
    finally:
        for name in names:
            del sys.modules[name]


def save_published(network: nn.Module, path: Path, **others: Any) -> None:
    """Writes the dict that the published training writes, with the module whole."""
    with published_classes() as classes:
        for module in network.modules():
            module.__class__ = classes.get(type(module).__name__, module.__class__)
        detect: Any = network.get_submodule("model.24")
        detect.stride = torch.tensor([8.0, 16.0, 32.0])
        detect.grid = [torch.empty(0)] * 3
        network.names = {0: "car", 1: "person", 2: "dog"}  # type: ignore[assignment]
        torch.save({"epoch": -1, "best_fitness": np.array([0.5]), "model": network.half(), **others}, path)


@pytest.mark.parametrize("name", ["yolov5n", "yolov5s_v5"])
def test_a_published_detector_is_read_without_its_code(tmp_path: Path, name: str) -> None:
    path, network = tmp_path / "best.pt", seed_network(build_model(name, CLASSES))
    wanted = {key: value.clone() for key, value in network.state_dict().items()}
    save_published(network, path, ema=None, optimizer=None, date="2022", score=np.float64(0.5), seen={1, 2})
    found, model = read_network(path), build_model(name, CLASSES)
    assert load_checkpoint(model, path)[0] == f"loaded {len(wanted)} tensors from {path}"
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, wanted[key].half().to(value.dtype), rtol=0, atol=0)
    assert found.names == ("car", "person", "dog")
    assert found.strides is not None
    assert found.strides.tolist() == [8, 16, 32]
    assert found.anchors is not None
    assert found.anchors[0].tolist() == [[1.25, 1.625], [2.0, 3.75], [4.125, 2.875]]
    assert "models" not in sys.modules


def test_the_average_is_taken_where_there_is_one(tmp_path: Path) -> None:
    path, average = tmp_path / "last.pt", seed_network(build_model("yolov5n", CLASSES), seed=1)
    wanted = average.state_dict()["model.0.conv.weight"].half()
    with published_classes() as classes:
        last = classes["C3"]()
        torch.save({"model": last, "ema": nn.Module()}, path)
    save_published(average, path, ema=None)
    assert torch.equal(read_network(path).tensors["model.0.conv.weight"], wanted)


class Harmful:
    """What a file could do to whoever unpickles it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_another_name_is_refused_and_nothing_runs(tmp_path: Path, kind: str) -> None:
    trace, path = tmp_path / "ran", tmp_path / ("net.pt" if kind == "torch" else "net.pkl")
    if kind == "torch":
        torch.save({"model": Harmful(trace)}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": Harmful(trace)}))
    with pytest.raises(
        UserError, match=r"names (posix|nt)\.mkdir, which is no part of a network: nothing of it was run"
    ):
        load_checkpoint(nn.Linear(2, 2), path)
    assert not trace.exists()


def test_a_whole_module_of_torch_is_read(tmp_path: Path) -> None:
    source, model = (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
    )
    torch.save(seed_network(source), tmp_path / "net.pt")
    load_checkpoint(model, tmp_path / "net.pt")
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())


def test_a_buffer_that_a_state_dict_lacks_is_left_out(tmp_path: Path) -> None:
    source = nn.BatchNorm2d(4)
    source.register_buffer("scratch", torch.zeros(1), persistent=False)
    torch.save(source, tmp_path / "net.pt")
    assert read_network(tmp_path / "net.pt").tensors.keys() == source.state_dict().keys()


def test_numbers_of_numpy_beside_the_weights(tmp_path: Path) -> None:
    source, model = nn.Linear(2, 3), nn.Linear(2, 3)
    torch.save(
        {"state_dict": source.state_dict(), "best": np.float64(0.5), "history": np.ones(3)}, tmp_path / "net.pth"
    )
    load_checkpoint(model, tmp_path / "net.pth")
    assert torch.equal(model.weight, source.weight)


def test_a_torchscript_program_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "net.pt"))
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(UserError, match=r"net\.pt is a TorchScript program; expected weights"):
        load_checkpoint(nn.Linear(2, 2), tmp_path / "net.pt")


def test_half_a_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    save_published(build_model("yolov5n", CLASSES), path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError) as caught:
        load_checkpoint(nn.Linear(2, 2), path)
    assert "\n" not in str(caught.value)
