from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qat.compile.perf import BenchSettings, SpeedReport, bench, run
from qat.compile.perf.roofline import Roofline
from qat.compile.perf.timing import Failure, Timing
from qat.errors import UserError
from qat.runtimes.protocol import LayerTime
from tests.compile.perf.fakes import FLOAT, INT8, PICTURE, Fake

FOLDER = Path("compile")


class Layered(Fake):
    """Gives layers, except those of a float artefact, and writes down that it was closed."""

    def layers(self) -> list[LayerTime]:
        if "float" in self.name:
            raise RuntimeError("no profiler")
        return [LayerTime(self.name, "Conv", "i8", 1.0)]

    def close(self) -> None:
        self.calls.append(f"close {self.name}")


class Runtime:
    """Sessions that take 8 ms on one thread and 8 / n on n; openvino can't load anything."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    def load(self, path: Path, threads: int) -> Layered:
        if self.name == "openvino":
            raise UserError(f"openvino can't load {path}")
        return Layered(f"{path.name} {threads}", self.calls, 0.008 / threads)


class FakePeaks:
    """Reach 10 GMAC/s a turn."""

    def __init__(self, threads: int) -> None:
        self.threads, self.turns = threads, 0

    def turn(self) -> None:
        self.turns += 1

    def roofline(self) -> Roofline:
        return Roofline(self.threads, 10.0 * self.turns, 40.0, 5.0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    log: list[str] = []
    monkeypatch.setattr(run, "get_runtime", lambda name: Runtime(name, log))
    monkeypatch.setattr(run, "installed", lambda: {"ort": "1.32"})
    monkeypatch.setattr(run, "Peaks", FakePeaks)
    return log


def measured(rounds: int = 1, warmup: int = 0, threads: tuple[int, ...] = (2, 1)) -> SpeedReport:
    return bench(FOLDER, [INT8, FLOAT], PICTURE, BenchSettings("net", "make it", rounds, warmup, threads))


def test_a_row_for_each_artefact_runtime_and_threads(calls: list[str]) -> None:
    rows = [(row.artefact.name, row.runtime, row.threads, row.result) for row in measured().rows]
    refused = Failure("openvino can't load compile/model.onnx")
    assert rows == [
        ("model.onnx", "openvino", 1, refused),
        ("model.onnx", "ort", 1, Timing(8.0, 8.0)),
        ("model_float.onnx", "ort", 1, Timing(8.0, 8.0)),
        ("model.onnx", "openvino", 2, refused),
        ("model.onnx", "ort", 2, Timing(4.0, 4.0)),
        ("model_float.onnx", "ort", 2, Timing(4.0, 4.0)),
    ]


def test_int8_then_float_on_each_number_of_threads_each_closed_before_the_next(calls: list[str]) -> None:
    measured(rounds=2)
    groups = ([name, name, f"close {name}"] for threads in (1, 2) for name in names(threads))
    assert calls == [call for group in groups for call in group]


def names(threads: int) -> list[str]:
    return [f"model.onnx {threads}", f"model_float.onnx {threads}"]


def test_layers_of_the_most_threads_and_none_where_the_profiler_fails(
    calls: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert measured().layers == {("model.onnx", "ort"): [LayerTime("model.onnx 2", "Conv", "i8", 1.0)]}
    assert "model_float.onnx in ort: no layer times: no profiler" in caplog.text


def test_the_machine_and_the_conditions(calls: list[str]) -> None:
    machine = measured(rounds=3, warmup=2).machine
    assert {"cpu", "cores", "threads", "torch"} <= machine.keys()
    assert machine["runtimes"] == {"ort": "1.32"}
    assert machine["input"] == {"shape": [1, 3, 4, 4], "dtype": "float32"}
    assert (machine["rounds"], machine["warmup"], machine["command"]) == (3, 2, "make it")


def test_progress_and_torchs_threads(calls: list[str]) -> None:
    done: list[int] = []
    before = torch.get_num_threads()
    settings = BenchSettings("net", "", 3, 2, (1, 2))
    bench(FOLDER, [INT8], PICTURE, settings, lambda: done.append(torch.get_num_threads()))
    assert done == [1] * 10 + [2] * 10
    assert len(done) == settings.total
    assert torch.get_num_threads() == before


def test_the_peaks_have_turns_before_and_between_the_rounds(calls: list[str]) -> None:
    peaks = measured(rounds=3, warmup=2).rooflines
    reached = 10 * (run.PEAK_TURNS + 2 * 5)
    assert {threads: peak.fp32_gmacs for threads, peak in peaks.items()} == {1: reached, 2: reached}
