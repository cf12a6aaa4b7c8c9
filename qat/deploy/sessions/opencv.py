"""OpenCV's dnn module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.protocol import CPU, Array

# OpenCV 5.0's new engine stops at an Add of float PIDNet (C0 <= 1 in toLayout) and at a scale and zero point of
# different rank, gets a QDQ sigmoid of scale 1/256 wrong, and is up to 9 steps off in other ops; the classic is not.
# The classic pads an average pooling as ONNX says only in files whose producer is "pytorch": Pad first does it always.
_CLASSIC = "in the classic engine: the new one refuses some networks and is less exact in int8"
_THREADS = "its number of threads is the whole process's"
_TARGETS = {CPU: "DNN_TARGET_CPU", "OPENCL": "DNN_TARGET_OPENCL", "OPENCL_FP16": "DNN_TARGET_OPENCL_FP16"}


class OpenCvSession:
    """It takes the s8 spelling, and runs in the classic engine where OpenCV has two."""

    def __init__(self, path: Path, threads: int, device: str = CPU) -> None:
        import cv2

        engines = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []
        self.note = "; ".join([_CLASSIC] * len(engines) + [_THREADS])
        self._network: Any = cv2.dnn.readNetFromONNX(str(path), *engines)
        self._network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        self._network.setPreferableTarget(getattr(cv2.dnn, _TARGETS[device]))
        self._outputs = sorted(self._network.getUnconnectedOutLayersNames())
        self._cv2, self._threads = cv2, threads

    def run(self, x: Array) -> list[Array]:
        """See `Session.run`."""
        if self._cv2.getNumThreads() != self._threads:
            self._cv2.setNumThreads(self._threads)
        self._network.setInput(x)
        if len(self._outputs) == 1:
            return [np.array(self._network.forward())]
        return [np.array(output) for output in self._network.forward(self._outputs)]


def devices() -> tuple[str, ...]:
    """The targets of OpenCV's own backend that are here."""
    import cv2

    here: Any = cv2.dnn.getAvailableTargets(cv2.dnn.DNN_BACKEND_OPENCV)
    return tuple(name for name, target in _TARGETS.items() if getattr(cv2.dnn, target) in here)
