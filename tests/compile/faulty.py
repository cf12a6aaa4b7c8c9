"""Runtimes that misbehave, in the child process that runs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from qat.runtimes.ort import Ort


class Faulty(Ort):
    """ONNX Runtime, whose output goes through `fault`."""

    def _open(self, artefact: Any, threads: int) -> Any:
        return _Session(super()._open(artefact, threads), self.fault)

    def fault(self, output: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class _Session:
    def __init__(self, real: Any, fault: Callable[[np.ndarray], np.ndarray]) -> None:
        self.real, self.fault, self.artefact, self.note = real, fault, real.artefact, ""

    def run(self, x: np.ndarray) -> np.ndarray:
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        return [self.fault(output) for output in self.real.run_all(x)]

    def layers(self) -> list[Any]:
        return []


class Aborts(Faulty):
    def fault(self, output: np.ndarray) -> np.ndarray:
        os.abort()


class Shifts(Faulty):
    def fault(self, output: np.ndarray) -> np.ndarray:
        return np.roll(output, 1, axis=1)


class Explodes(Faulty):
    def fault(self, output: np.ndarray) -> np.ndarray:
        return output * np.float32("inf")
