"""Float ONNX becomes .mnn."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from qat.errors import UserError, nearest
from qat.files import atomic_path
from qat.runtimes.artefact import ONNX, Artefact, read_artefact
from qat.runtimes.child_process import in_child
from qat.runtimes.conversion_check import judge
from qat.runtimes.mnn import QDQ_REFUSED, Mnn, label
from qat.runtimes.optional import need

# how the weights are stored -> what the converter is told
FORMS = {"fp32": (), "fp16": ("--fp16",), "w8": ("--weightQuantBits", "8"), "static": ("--saveStaticModel",)}


def to_mnn(source: str | Path, destination: str | Path, form: str = "fp32") -> None:
    """Write `source`, a float ONNX file, as `destination` (.mnn); `form` is one of FORMS.

    Raises UserError: a QDQ file (with the reason), a missing package, a converter that crashes or whose file doesn't
    compute what `source` does.
    """
    need(Mnn.module)
    if form not in FORMS:
        raise UserError(f"unknown form {form} of an .mnn file; {nearest(form, FORMS)}")
    artefact = read_artefact(Path(source))
    if artefact.kind != ONNX:
        raise UserError(f"mnn can't convert {artefact}: {QDQ_REFUSED}")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.mnn"
        in_child(f"{Mnn()}'s converter", f"converting {source}", convert, artefact, made, FORMS[form])
        with atomic_path(destination) as aside:
            shutil.copyfile(made, aside)


def convert(source: Artefact, destination: Path, options: tuple[str, ...]) -> None:
    """Convert and judge in this process; the converter prints, and may crash. Raises as `judge` does."""
    # not MNN.tools: it runs pip when it is imported
    import _tools

    files = ["-f", "ONNX", "--modelFile", str(source.path), "--MNNModel", str(destination)]
    _tools.mnnconvert(["mnnconvert", *files, "--bizCode", label(source), *options])
    judge(Mnn(), destination, source.path)
