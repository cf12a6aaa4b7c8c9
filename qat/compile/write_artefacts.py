"""Write every artefact into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from qat.backends.fx import to_torchscript
from qat.backends.scales import spec_of
from qat.compile.artefacts import ARTEFACTS, MNN_FORMS, Made
from qat.compile.io_spec import Ends
from qat.compile.io_wrapper import Ended
from qat.compile.network import Network
from qat.compile.onnx.values import OPENVINO, ORT, PLAIN
from qat.compile.onnx.writer import Form, to_onnx
from qat.engine import choose_engine
from qat.errors import UserError
from qat.runtimes.mnn_convert import to_mnn
from qat.runtimes.ncnn_convert import to_ncnn
from qat.runtimes.torchscript import save_script

FLOAT = "model_float.onnx"
SPELLINGS = {"model.onnx": PLAIN, "model_ort.onnx": ORT, "model_openvino.onnx": OPENVINO}


def write_files(
    network: Network, form: Form, folder: Path, runtimes: Sequence[str]
) -> tuple[list[Made], dict[str, str]]:
    """Write the artefacts; those that there are, and why others are missing.

    `runtimes`: those to convert for (mnn, ncnn); the other files need no converter. UserError as `to_onnx`.
    """
    for name, spelling in SPELLINGS.items():
        onnx.save(to_onnx(network.program, spelling, form), folder / name)
    onnx.save(to_onnx(network.float_program, PLAIN, form), folder / FLOAT)
    engine = choose_engine(spec_of(network.prepared).engine).name
    save_network(network.converted, network.example, form.ends, folder / "int_model.pt", engine)
    save_network(network.floating, network.example, form.ends, folder / "model_float.pt")
    missing = _convert(folder, runtimes)
    return [made for made in ARTEFACTS if (folder / made.name).is_file()], missing


def save_network(model: nn.Module, example: Tensor, ends: Ends, path: Path, engine: str = "") -> None:
    """Trace and freeze `model` between its ends, and save it with the engine of its int8 kernels."""
    picture = (example * 64 + 128).clamp(0, 255).to(torch.uint8) if ends.source == "uint8" else example.contiguous()
    save_script(to_torchscript(Ended(model, ends).eval(), picture), path, engine)


def _convert(folder: Path, runtimes: Sequence[str]) -> dict[str, str]:
    """Make the files that need a converter; the reasons of those that can't be made."""
    missing = {}
    for made in ARTEFACTS:
        if made.kind in ("mnn", "ncnn") and made.kind in runtimes:
            try:
                _converted(made, folder / FLOAT, folder / made.name)
            except UserError as error:
                missing[made.name] = str(error).replace(f"{folder}/", "")
    return missing


def _converted(made: Made, source: Path, target: Path) -> None:
    if made.kind == "mnn":
        to_mnn(source, target, MNN_FORMS[made.name])
    else:
        to_ncnn(source, target)
