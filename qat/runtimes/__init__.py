"""The runtimes that run what Compile hands over: one small adapter each, which is also its row."""

from qat.runtimes.adapter import Adapter
from qat.runtimes.child_process import Isolated
from qat.runtimes.convolutions import Convolutions, executed_convolutions
from qat.runtimes.protocol import LayerTime, Runtime, Session
from qat.runtimes.registry import BEST, NAMES, RUNTIMES, get_runtime, installed

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
