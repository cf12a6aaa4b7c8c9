"""The runtimes that run what Compile hands over: one small adapter each, which is also its row."""

from __future__ import annotations

from qat.errors import UserError, nearest
from qat.runtimes.adapter import Adapter
from qat.runtimes.child_process import Isolated
from qat.runtimes.mnn import Mnn
from qat.runtimes.ncnn import Ncnn
from qat.runtimes.opencv import OpenCv
from qat.runtimes.openvino import OpenVino
from qat.runtimes.ort import Ort
from qat.runtimes.protocol import Convolutions, LayerTime, Runtime, Session, executed_convolutions
from qat.runtimes.torchscript import TorchScript

__all__ = [
    "BEST",
    "NAMES",
    "RUNTIMES",
    "Adapter",
    "Convolutions",
    "Isolated",
    "LayerTime",
    "Runtime",
    "Session",
    "executed_convolutions",
    "get_runtime",
    "installed",
]

RUNTIMES: tuple[Adapter, ...] = (TorchScript(), Ort(), OpenVino(), OpenCv(), Mnn(), Ncnn())
NAMES = tuple(runtime.name for runtime in RUNTIMES)
BEST = {runtime.name: runtime.best for runtime in RUNTIMES}


def get_runtime(name: str) -> Adapter:
    """The runtime called `name`, installed or not; UserError for another name."""
    for runtime in RUNTIMES:
        if runtime.name == name:
            return runtime
    raise UserError(f"unknown runtime {name}; {nearest(name, NAMES)}")


def installed() -> dict[str, str]:
    """Each runtime's version, or the line that says why it isn't here."""
    return {runtime.name: _version(runtime) for runtime in RUNTIMES}


def _version(runtime: Adapter) -> str:
    try:
        return runtime.version
    except UserError as error:
        return str(error)
