"""The runtimes that run what Compile hands over: one small adapter each, behind one protocol."""

from qat.runtimes.child_process import Isolated
from qat.runtimes.convolutions import Convolutions, executed_convolutions
from qat.runtimes.protocol import LayerTime, Runtime, Session
from qat.runtimes.registry import NAMES, get_runtime, installed

__all__ = [
    "NAMES",
    "Convolutions",
    "Isolated",
    "LayerTime",
    "Runtime",
    "Session",
    "executed_convolutions",
    "get_runtime",
    "installed",
]
