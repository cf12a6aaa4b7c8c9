"""Sessions and reports that need no runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qat.compile.perf.report import PerfEntry, SpeedReport, SpeedRow
from qat.compile.perf.roofline import Roofline
from qat.compile.perf.timing import Failure, Timing
from qat.runtimes.adapter import AdapterSession
from qat.runtimes.artefact import Artefact
from qat.runtimes.protocol import LayerTime

PICTURE = np.zeros((1, 3, 4, 4), np.float32)
PEAK = Roofline(2, fp32_gmacs=100.0, int8_gmacs=400.0, copy_gb_per_s=20.0)
INT8 = PerfEntry("model.onnx", "onnx_int8_s8", 8_000_000, ("openvino", "ort"), 4_000_000_000)
FLOAT = PerfEntry("model_float.onnx", "onnx_float", 31_000_000, ("ort",), 4_000_000_000)
MACHINE = {
    "cpu": "A fast one",
    "cores": 2,
    "cpu_flags": ["avx2"],
    "platform": "Linux",
    "python": "3.11",
    "torch": "2.13",
    "runtimes": {"ort": "1.32.0"},
    "input": {"shape": [1, 3, 4, 4], "dtype": "float32"},
    "rounds": 3,
    "warmup": 1,
    "command": "make bench-runtimes",
}


class Fake(AdapterSession):
    """Takes the seconds it is told to (the last for ever after); an exception among them is raised."""

    def __init__(self, name: str, calls: list[str], *seconds: float | Exception, dtype: type | None = None) -> None:
        super().__init__("fake", Artefact(Path("model.onnx"), "ONNX", dtype=None if dtype is None else np.dtype(dtype)))
        self.name, self.calls, self.seconds = name, calls, list(seconds)
        self.seen: list[np.dtype] = []

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        self.calls.append(self.name)
        self.seen.append(x.dtype)
        return [self._next() for _ in range(rounds)]

    def _next(self) -> float:
        seconds = self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
        if isinstance(seconds, Exception):
            raise seconds
        return seconds

    def _run(self, x: np.ndarray) -> np.ndarray:
        return x


def a_report(name: str = "model.onnx", reason: str = "no such op", layers: int = 30) -> SpeedReport:
    """int8 at 20 ms in openvino and refused by ort, float at 80 ms; layers of openvino."""
    entry = PerfEntry(name, INT8.kind, INT8.bytes, INT8.runtimes, INT8.macs)
    rows = [
        SpeedRow(entry, "openvino", PEAK, Timing(20.0, 25.0)),
        SpeedRow(entry, "ort", PEAK, Failure(reason)),
        SpeedRow(FLOAT, "ort", PEAK, Timing(80.0, 81.0)),
    ]
    times = [LayerTime(f"layer{i}", "Convolution", "i8" if i % 2 else "f32", float(i)) for i in range(layers)]
    return SpeedReport("camvid/pidnet_s", rows, MACHINE, {(name, "openvino"): times})
