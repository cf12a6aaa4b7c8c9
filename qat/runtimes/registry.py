"""The runtimes by name."""

from __future__ import annotations

from qat.errors import UserError, nearest
from qat.runtimes.mnn import Mnn
from qat.runtimes.ncnn import Ncnn
from qat.runtimes.opencv import OpenCv
from qat.runtimes.openvino import OpenVino
from qat.runtimes.ort import Ort
from qat.runtimes.protocol import Runtime
from qat.runtimes.torchscript import TorchScript

_RUNTIMES: tuple[Runtime, ...] = (TorchScript(), Ort(), OpenVino(), OpenCv(), Mnn(), Ncnn())
NAMES = tuple(runtime.name for runtime in _RUNTIMES)


def get_runtime(name: str) -> Runtime:
    """The runtime called `name`, installed or not; UserError for another name."""
    for runtime in _RUNTIMES:
        if runtime.name == name:
            return runtime
    raise UserError(f"unknown runtime {name}; {nearest(name, NAMES)}")


def installed() -> dict[str, str]:
    """Each runtime's version, or the line that says why it isn't here."""
    return {runtime.name: _version(runtime) for runtime in _RUNTIMES}


def _version(runtime: Runtime) -> str:
    try:
        return runtime.version
    except UserError as error:
        return str(error)
