"""A runtime that is given one thread takes one core; one that is given several shares them with others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from qat.deploy.sessions.openvino import compiled
from qat.runtimes import get_runtime
from qat.runtimes.child_process import in_child
from tests.runtimes.tiny import picture

SECONDS = 0.4


def cores_taken(name: str, path: Path) -> float:
    """Seconds on the CPU over those by the clock, of runs on one thread."""
    session, x = get_runtime(name).load(path, 1), picture()
    session.run(x)
    began, spent = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < SECONDS:
        session.run(x)
    return (time.process_time() - spent) / (time.perf_counter() - began)


@pytest.mark.parametrize(
    ("name", "module"),
    [("ort", "onnxruntime"), ("openvino", "openvino"), ("opencv", "cv2"), ("mnn", "MNN"), ("ncnn", "ncnn")],
)
def test_one_thread_is_one_core(name: str, module: str, artefacts: Path, tmp_path: Path) -> None:
    """MNN's executor had four of its own, which spun beside the network's."""
    pytest.importorskip(module)
    path, suffix = artefacts / "float.onnx", {"mnn": ".mnn", "ncnn": ".ncnn.param"}.get(name)
    if suffix:
        path = tmp_path / f"float{suffix}"
        get_runtime(name).convert(artefacts / "float.onnx", path)
    assert in_child(name, "running", cores_taken, name, path) < 1.3


def test_openvinos_threads_may_move(artefacts: Path) -> None:
    """Tied ones share a core with another process's: two processes would be no faster than one."""
    pytest.importorskip("openvino")
    assert compiled(artefacts / "float.onnx", 2).get_property("ENABLE_CPU_PINNING") is False
