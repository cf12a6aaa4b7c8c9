"""ONNX Runtime; with optimisation off it runs the file as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.ort import OrtSession, options, session
from qat.files import scratch_folder
from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import ONNX, QDQ_S8, QDQ_U8, Artefact
from qat.runtimes.protocol import LayerTime

__all__ = ["Ort", "options", "session"]

_PRECISIONS = {"float": "f32", "float16": "f16", "uint8": "u8", "int8": "i8", "int32": "i32", "int64": "i64"}


class Ort(Adapter):
    """`optimise=False` fuses nothing: every op of the file is computed as ONNX defines it (reference semantics)."""

    name, module, package = "ort", "onnxruntime", "onnxruntime"
    kinds, best = (ONNX, QDQ_U8, QDQ_S8), "model_ort.onnx"

    def __init__(self, optimise: bool = True) -> None:
        self.optimise = optimise

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _OrtSession(str(self), artefact, threads, self)


class _OrtSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int, runtime: Ort) -> None:
        super().__init__(who, artefact)
        self._threads, self._runtime = threads, runtime
        self._session = OrtSession(artefact.path, threads, runtime.device, runtime.optimise)

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        return self._session.run(x)

    def layers(self) -> list[LayerTime]:
        """Times of the second run of a profiled copy of the session."""
        with scratch_folder() as folder:
            settings = options(self._threads, self._runtime.optimise)
            settings.enable_profiling, settings.profile_file_prefix = True, str(folder / "ort")
            profiled = session(self.artefact.path, settings, self._runtime.device)
            picture = {self.artefact.input: self.artefact.example()}
            for _ in range(2):
                profiled.run(None, picture)
            events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
        kernels = [event for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
        return [_layer(event) for event in kernels[len(kernels) // 2 :]]


def _layer(event: dict[str, Any]) -> LayerTime:
    details = event["args"]
    types = [dtype for shape in details.get("input_type_shape", []) for dtype in shape]
    name = event["name"].removesuffix("_kernel_time")
    precision = _PRECISIONS.get(types[0], types[0]) if types else ""
    return LayerTime(name, details["op_name"], precision, event["dur"] / 1000)
