"""ncnn, and pnnx, its converter."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from qat.deploy.sessions.ncnn import NcnnSession, weights_of
from qat.errors import UserError
from qat.files import atomic_path, scratch_folder
from qat.invocation import command
from qat.runtimes.adapter import Adapter, AdapterSession, Conversion
from qat.runtimes.artefact import QDQ_S8, QDQ_U8, SOURCE, Artefact
from qat.runtimes.child_process import TIMEOUT, in_child
from qat.runtimes.conversion import check_conversion, convertible
from qat.runtimes.optional import require

NCNN = "ncnn"
QDQ_REFUSED = (
    f"pnnx leaves the scales of a QDQ file in pnnx.Expression layers, which ncnn doesn't have; convert {SOURCE}"
)


class Ncnn(Adapter):
    """Computes in float32: storage and arithmetic in fp16 and bf16 are off, for parity."""

    name, module, package = "ncnn", "ncnn", "ncnn"
    kinds, best, suffixes = (NCNN,), "model_float.ncnn.param", {".param": NCNN}
    conversions = (Conversion(best, " by pnnx, fp32", parts=("model_float.ncnn.bin",)),)

    def refusal(self, kind: str) -> str:
        """QDQ files have a reason of their own."""
        return (
            QDQ_REFUSED if kind in (QDQ_S8, QDQ_U8) else f"it takes .ncnn.param files; {command('compile')} writes them"
        )

    def convert(self, source: str | Path, destination: str | Path, options: Sequence[str] = ()) -> None:
        """See `Adapter.convert`: `destination` (.ncnn.param) and the .ncnn.bin beside it."""
        require(self.module)
        require("pnnx")
        artefact = convertible(self.name, source, QDQ_REFUSED)
        if artefact.dtype != np.float32:
            raise UserError(f"ncnn can't convert {artefact}: it takes {artefact.dtype}, and pnnx float32 pictures only")
        with scratch_folder() as folder:  # pnnx writes seven files
            converted = _convert(artefact, folder, options)
            try:
                in_child(str(self), "running them", check_conversion, self, converted, artefact.path)
            except UserError as error:
                raise UserError(_why(source, str(error))) from error
            _copy(weights_of(converted), weights_of(Path(destination)))
            _copy(converted, Path(destination))

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _NcnnSession(str(self), artefact, threads, self.device)


class _NcnnSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int, device: str) -> None:
        self._session = NcnnSession(artefact.path, threads, device)
        super().__init__(who, replace(artefact, shape=(1, *_input_size(artefact.path)), dtype=np.dtype(np.float32)))

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        return self._session.run(x)


def _input_size(path: Path) -> tuple[int | None, ...]:
    """(channels, height, width) from the Input layer's hints 2=, 1=, 0= (qat's converter writes them)."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Input "):
            hints = dict(word.split("=") for word in line.split() if "=" in word)
            return tuple(int(hints[key]) if key in hints else None for key in ("2", "1", "0"))
    return 3, None, None


def _why(source: str | Path, error: str) -> str:
    """Why the files that pnnx made are of no use."""
    if "layer ArgMax not exists" in error:
        return f"ncnn's package has no ArgMax, which {source} ends with; COMPILE.OUTPUT logits leaves it outside"
    return f"the files that pnnx made of {source} don't work: {error}"


def _convert(artefact: Artefact, folder: Path, options: Sequence[str]) -> Path:
    """Run pnnx in `folder`; the .param file, with the picture's size in its Input layer."""
    size = [fixed or 1 for fixed in artefact.shape]
    shutil.copyfile(artefact.path, folder / "model.onnx")
    program = Path(find_spec("pnnx").origin).with_name("pnnx")  # type: ignore[union-attr, arg-type]
    command = [str(program), "model.onnx", f"inputshape={size}".replace(" ", ""), "fp16=0", *options]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    converted = folder / "model.ncnn.param"
    if process.returncode or not converted.is_file():
        lines = (process.stderr or process.stdout).strip().splitlines()
        why = lines[-1] if lines else ""
        raise UserError(f"pnnx can't convert {artefact.path}: exit code {process.returncode}: {why}")
    _, channels, height, width = size
    text = converted.read_text(encoding="utf-8")
    converted.write_text(text.replace("0 1 in0\n", f"0 1 in0 0={width} 1={height} 2={channels}\n"), encoding="utf-8")
    return converted


def _copy(source: Path, destination: Path) -> None:
    with atomic_path(destination) as aside:
        shutil.copyfile(source, aside)
