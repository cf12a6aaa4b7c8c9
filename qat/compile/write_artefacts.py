"""Write every artefact into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from qat.backends.fx import to_torchscript
from qat.backends.scales import spec_of
from qat.compile.artefacts import ARTEFACTS, ArtefactSpec
from qat.compile.io_wrapper import IOWrapper
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import Form, to_onnx
from qat.engine import choose_engine
from qat.errors import UserError
from qat.runtimes import get_runtime
from qat.runtimes.conversion import SOURCE
from qat.runtimes.torchscript import save_script


def write_files(
    network: Network, form: Form, folder: Path, runtimes: Sequence[str]
) -> tuple[list[ArtefactSpec], dict[str, str]]:
    """Write the artefacts; those that there are, and why others are missing.

    `runtimes`: those to convert for; the other files need no converter. UserError as `to_onnx`.
    """
    missing: dict[str, str] = {}
    for spec in ARTEFACTS:
        if not spec.converter:
            _write(spec, network, form, folder / spec.name)
        elif spec.converter in runtimes and (why := _convert(spec, folder)):
            missing[spec.name] = why
    return [spec for spec in ARTEFACTS if (folder / spec.name).is_file()], missing


def _write(spec: ArtefactSpec, network: Network, form: Form, path: Path) -> None:
    if spec.spelling:
        program = network.program if spec.is_int8 else network.float_program
        onnx.save(to_onnx(program, SPELLINGS[spec.spelling], form), path)
    elif spec.is_int8:
        engine = choose_engine(spec_of(network.prepared).engine).name
        save_network(network.converted, network.example, form.io, path, engine)
    else:
        save_network(network.floating, network.example, form.io, path)


def save_network(model: nn.Module, example: Tensor, io: IOSpec, path: Path, engine: str = "") -> None:
    """Trace and freeze `model` between its input and output, and save it with the engine of its int8 kernels."""
    picture = (example * 64 + 128).clamp(0, 255).to(torch.uint8) if io.source == "uint8" else example.contiguous()
    save_script(to_torchscript(IOWrapper(model, io).eval(), picture), path, engine)


def _convert(spec: ArtefactSpec, folder: Path) -> str:
    """Make a file that needs a converter; why it can't be made, or empty."""
    try:
        get_runtime(spec.converter).convert(folder / SOURCE, folder / spec.name, spec.options)
    except UserError as error:
        return str(error).replace(f"{folder}/", "")
    return ""
