"""PPLNN by its command-line tool, which is built from source (github.com/openppl-public/ppl.nn): a process a run.

Switches, names of files and what is printed are those of tools/pplnn.cc at commit 76ed9361 (August 2024).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qat.deploy.sessions.protocol import CPU, Array
from qat.errors import UserError

TOOL = "pplnn"
ENGINES = {CPU: "--use-x86", "ARM": "--use-arm", "CUDA": "--use-cuda"}  # by device; the tool refuses what it lacks
TIMEOUT = 600.0  # seconds for one process
_TYPES = {"float32": "fp32", "uint8": "uint8"}  # in the names of input files
_OUTPUT = re.compile(r"output\[\d+\]:\s*name: (.+)\s*dim\(s\):(.*)\s*data type: (\w+)")
_TOTAL = re.compile(r"Total duration: ([\d.eE+-]+) ms")
_WRONG = re.compile(r"\[ERROR\].*|.*failed.*", re.IGNORECASE)


class PplnnSession:
    """A float ONNX file of operator set 11; each run is a process, which reads the file again."""

    note = "a process for each run"

    def __init__(self, path: Path, threads: int, device: str = CPU) -> None:
        self._command = [TOOL, ENGINES[device], "--onnx-model", str(path.resolve())]
        self._command += ["--num-threads", str(threads)] if device == CPU else []

    def run(self, x: Array) -> list[Array]:
        """See `Session.run`."""
        with tempfile.TemporaryDirectory() as folder:
            more = ["--reshaped-inputs", str(_written(x, Path(folder))), "--save-outputs", "--save-data-dir", folder]
            said = _run([*self._command, *more])
            return list(_outputs(said, Path(folder)))

    def profile(self, x: Array, rounds: int) -> float:
        """See `Profiled.profile`; the tool's own times, without its start and without reading the file."""
        with tempfile.TemporaryDirectory() as folder:
            more = ["--reshaped-inputs", str(_written(x, Path(folder))), "--enable-profiling"]
            counts = ["--warmup-iterations", "3", "--min-profiling-seconds", "0"]
            said = _run([*self._command, *more, *counts, "--min-profiling-iterations", str(rounds)])
        if (total := _TOTAL.search(said)) is None:
            raise RuntimeError(f"{TOOL} printed no Total duration")
        return float(total[1]) / rounds


def devices() -> tuple[str, ...]:
    """The engines that the tool may be built with; it says itself which one it lacks."""
    return tuple(ENGINES)


def _written(x: Array, folder: Path) -> Path:
    """The batch as a file whose name says its shape and type: the tool takes inputs by their order."""
    path = folder / f"image-{'_'.join(map(str, x.shape))}-{_TYPES[x.dtype.name]}.dat"
    path.write_bytes(np.ascontiguousarray(x).tobytes())
    return path


def _run(command: list[str]) -> str:
    if shutil.which(TOOL) is None:
        raise UserError(f"{TOOL} isn't on the PATH; build it from github.com/openppl-public/ppl.nn (it isn't on PyPI)")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    said = done.stdout + "\n" + done.stderr
    if done.returncode:
        wrong = _WRONG.search(said)
        raise RuntimeError(f"{TOOL} ended with code {done.returncode}: {wrong[0].strip() if wrong else said[-200:]}")
    return said


def _outputs(said: str, folder: Path) -> Iterator[Array]:
    """The saved outputs, by what the tool prints of their names, sides and types."""
    found = _OUTPUT.findall(said)
    if not found:
        raise RuntimeError(f"{TOOL} printed no outputs")
    for name, sides, kind in found:
        dtype = np.dtype("float32" if kind.lower() == "float16" else kind.lower())
        values = np.frombuffer((folder / f"pplnn_output-{name.strip()}.dat").read_bytes(), dtype)
        yield values.reshape([int(side) for side in sides.split()]).copy()
