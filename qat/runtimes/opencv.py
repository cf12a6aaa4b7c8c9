"""OpenCV's dnn module."""

from __future__ import annotations

from typing import Any

import numpy as np

from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import ONNX, QDQ_S8, Artefact
from qat.stages.folders import INT8_ONNX

# OpenCV 5.0's new engine stops at an Add of float PIDNet (C0 <= 1 in toLayout) and at a scale and zero point of
# different rank, gets a QDQ sigmoid of scale 1/256 wrong, and is up to 9 steps off in other ops; the classic is not.
# The classic pads an average pooling as ONNX says only in files whose producer is "pytorch": Pad first does it always.
_CLASSIC = "in the classic engine: the new one refuses some networks and is less exact in int8"
_THREADS = "its number of threads is the whole process's"


class OpenCv(Adapter):
    """It takes the s8 spelling, and runs in the classic engine where OpenCV has two."""

    name, module, package = "opencv", "cv2", "opencv-python-headless"
    kinds, best = (ONNX, QDQ_S8), INT8_ONNX

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _OpenCvSession(str(self), artefact, threads)


class _OpenCvSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        import cv2

        engines = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []
        super().__init__(who, artefact, "; ".join([_CLASSIC] * len(engines) + [_THREADS]))
        self._network: Any = cv2.dnn.readNetFromONNX(str(artefact.path), *engines)
        self._outputs = sorted(self._network.getUnconnectedOutLayersNames())
        self._cv2, self._threads = cv2, threads

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        if self._cv2.getNumThreads() != self._threads:
            self._cv2.setNumThreads(self._threads)
        self._network.setInput(x)
        if len(self._outputs) == 1:
            return [np.array(self._network.forward())]
        return [np.array(output) for output in self._network.forward(self._outputs)]
