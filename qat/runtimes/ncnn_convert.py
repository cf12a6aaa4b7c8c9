"""Float ONNX becomes ncnn's two files, by pnnx."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from qat.errors import UserError
from qat.files import atomic_path
from qat.runtimes.artefact import ONNX, Artefact, read_artefact
from qat.runtimes.child_process import TIMEOUT, in_child
from qat.runtimes.conversion_check import judge
from qat.runtimes.ncnn import QDQ_REFUSED, Ncnn, weights_of
from qat.runtimes.optional import need


def to_ncnn(source: str | Path, destination: str | Path) -> None:
    """Write `source`, a float ONNX file, as `destination` (.ncnn.param) and the .ncnn.bin beside it.

    Raises UserError: a QDQ file (with the reason), a missing package, a converter that fails or whose files don't
    compute what `source` does.
    """
    need(Ncnn.module)
    need("pnnx")
    artefact = read_artefact(Path(source))
    if artefact.kind != ONNX:
        raise UserError(f"ncnn can't convert {artefact}: {QDQ_REFUSED}")
    if artefact.dtype != np.float32:
        raise UserError(f"ncnn can't convert {artefact}: it takes {artefact.dtype}, and pnnx float32 pictures only")
    with tempfile.TemporaryDirectory() as folder:  # pnnx writes seven files
        made = _convert(artefact, Path(folder))
        try:
            in_child(str(Ncnn()), "running them", judge, Ncnn(), made, artefact.path)
        except UserError as error:
            raise UserError(f"the files that pnnx made of {source} don't work: {error}") from error
        _copy(weights_of(made), weights_of(Path(destination)))
        _copy(made, Path(destination))


def _convert(artefact: Artefact, folder: Path) -> Path:
    """Run pnnx in `folder`; the .param file, with the picture's size in its Input layer."""
    size = [fixed or 1 for fixed in artefact.shape]
    shutil.copyfile(artefact.path, folder / "model.onnx")
    program = Path(find_spec("pnnx").origin).with_name("pnnx")  # type: ignore[union-attr, arg-type]
    command = [str(program), "model.onnx", f"inputshape={size}".replace(" ", ""), "fp16=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    made = folder / "model.ncnn.param"
    if done.returncode or not made.is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"pnnx can't convert {artefact.path}: exit code {done.returncode}: {said[-1] if said else ''}")
    _, channels, height, width = size
    text = made.read_text(encoding="utf-8")
    made.write_text(text.replace("0 1 in0\n", f"0 1 in0 0={width} 1={height} 2={channels}\n"), encoding="utf-8")
    return made


def _copy(source: Path, destination: Path) -> None:
    with atomic_path(destination) as aside:
        shutil.copyfile(source, aside)
