"""Files that a runtime's own converter makes; they are judged by what they compute, not by what the converter says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qat.errors import UserError
from qat.runtimes.artefact import ONNX, Artefact, read_artefact
from qat.runtimes.ort import Ort
from qat.runtimes.protocol import Runtime

TOLERANCE = 0.1  # a converter that misreads the network is far off, 8-bit weights are near; parity measures the rest


def convertible(runtime: str, source: str | Path, qdq_refused: str) -> Artefact:
    """`source`, which has to be a float ONNX file; UserError with the reason for another."""
    artefact = read_artefact(Path(source))
    if artefact.kind != ONNX:
        raise UserError(f"{runtime} can't convert {artefact}: {qdq_refused}")
    return artefact


def check_conversion(runtime: Runtime, converted: Path, source: Path, tolerance: float = TOLERANCE) -> None:
    """Raise UserError unless `converted`, in `runtime`, computes what `source` (ONNX) does, on a picture of noise.

    `tolerance`: on the `error`.
    """
    expected = Ort(optimise=False).load(source, 1)
    picture = expected.artefact.example()
    wrong = error(runtime.load(converted, 1).run(picture), expected.run(picture))
    if not wrong <= tolerance:
        raise UserError(
            f"{runtime.name}'s converter misread {source}: its file's output is off by {wrong:.0%}; "
            f"leave {runtime.name} out, and keep the ONNX file"
        )


def error(got: np.ndarray, expected: np.ndarray) -> float:
    """How far off an output is: the share of wrong classes, or the norm of the difference over the expected one's.

    >>> error(np.array([1, 2]), np.array([1, 3]))
    0.5
    """
    if got.shape != expected.shape:
        return float("inf")
    if np.issubdtype(expected.dtype, np.integer):
        return float(np.mean(got != expected))
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
