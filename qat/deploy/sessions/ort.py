"""ONNX Runtime; with optimisation off it runs the file as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.protocol import CPU, Array
from qat.errors import UserError

QUIET = 4  # log fatal errors only: what else goes wrong is raised
PROVIDER = "ExecutionProvider"  # the end of a device's name in ONNX Runtime


class OrtSession:
    """`optimise=False` fuses nothing: every op of the file is computed as ONNX defines it (reference semantics)."""

    note = ""

    def __init__(self, path: Path, threads: int, device: str = CPU, optimise: bool = True) -> None:
        self._network = session(path, options(threads, optimise), device)
        self._input = self._network.get_inputs()[0].name

    def run(self, x: Array) -> list[Array]:
        """See `Session.run`."""
        return [np.asarray(output) for output in self._network.run(None, {self._input: x})]


def devices() -> tuple[str, ...]:
    """The providers of this build, without their common ending."""
    from onnxruntime import get_available_providers

    return tuple(name.removesuffix(PROVIDER) for name in get_available_providers())


def options(threads: int, optimise: bool = True) -> Any:
    """Quiet session options."""
    from onnxruntime import GraphOptimizationLevel, SessionOptions

    settings = SessionOptions()
    settings.log_severity_level = QUIET
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    levels = GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    return settings


def session(path: Path, settings: Any, device: str = CPU) -> Any:
    """An InferenceSession on the device; what it can't run is run on the CPU."""
    from onnxruntime import InferenceSession

    wanted = device + PROVIDER
    opened = InferenceSession(str(path), settings, providers=list(dict.fromkeys([wanted, CPU + PROVIDER])))
    if wanted not in opened.get_providers():  # it falls back to the CPU where a provider's own libraries are missing
        raise UserError(f"ort can't start device {device}: its libraries aren't here (RUNTIME_DEVICE)")
    return opened
