"""MNN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.captured import captured_output
from qat.deploy.sessions.protocol import CPU, Array

OTHERS = ("OPENCL", "VULKAN", "CUDA", "METAL")  # backends beside the CPU, as MNN's runtime manager calls them
_FALLS_BACK = "use 0 instead"  # what MNN prints where it lacks a backend, before it takes the CPU without a word


class MnnSession:
    """Computes in float32, whatever form the weights are stored in; `label`: the text that the file carries."""

    note = ""

    def __init__(self, path: Path, threads: int, device: str = CPU) -> None:
        with captured_output():
            from MNN import expr, nn

            expr.set_thread_number(1)  # the executor's own threads would spin beside the network's
            manager = nn.create_runtime_manager(({"backend": device, "precision": "high", "numThread": threads},))
            info = nn.load_module_from_file(str(path), [], [], runtime_manager=manager).get_info()
            ends = info["inputNames"], info["outputNames"]
            self._order = sorted(range(len(ends[1])), key=lambda at: ends[1][at])  # as they are numbered
            self._network = nn.load_module_from_file(str(path), *ends, runtime_manager=manager)
        self._expr, self.label = expr, str(info["bizCode"])
        self._manager = manager  # the network doesn't keep it

    def run(self, x: Array) -> list[Array]:
        """See `Session.run`."""
        outputs = self._forward(x)
        if not outputs:
            with captured_output() as printed:  # MNN prints its reasons
                self._forward(x)
                printed.seek(0)
                raise RuntimeError(printed.read() or "it gives no output")
        return [np.array(self._expr.convert(outputs[at], self._expr.NCHW).read()) for at in self._order]

    def _forward(self, x: Array) -> list[Any]:
        expr = self._expr
        dtype = expr.uint8 if x.dtype == np.uint8 else expr.float
        return list(self._network.forward([expr.const(x, list(x.shape), expr.NCHW, dtype)]))


def devices() -> tuple[str, ...]:
    """The CPU, and the backends that this build of MNN makes a manager for without falling back to it."""
    return (CPU, *(name for name in OTHERS if _is_here(name)))


def _is_here(backend: str) -> bool:
    with captured_output() as printed:
        from MNN import nn

        made = nn.create_runtime_manager(({"backend": backend, "numThread": 1},))
        printed.seek(0)
        return made is not None and _FALLS_BACK not in printed.read()
