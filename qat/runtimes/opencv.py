"""OpenCV's dnn module."""

from __future__ import annotations

import numpy as np

from qat.deploy.sessions.opencv import OpenCvSession
from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import ONNX, QDQ_S8, Artefact
from qat.stages.folders import INT8_ONNX


class OpenCv(Adapter):
    """It takes the s8 spelling, and runs in the classic engine where OpenCV has two."""

    name, module, package = "opencv", "cv2", "opencv-python-headless"
    kinds, best = (ONNX, QDQ_S8), INT8_ONNX

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _OpenCvSession(str(self), artefact, threads, self.device)


class _OpenCvSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int, device: str) -> None:
        self._session = OpenCvSession(artefact.path, threads, device)
        super().__init__(who, artefact, self._session.note)

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        return self._session.run(x)
