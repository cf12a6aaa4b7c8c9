"""TorchScript: int_model.pt, and float traces."""

from __future__ import annotations

import numpy as np

from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import TORCHSCRIPT, Artefact


class TorchScript(Adapter):
    """torch.jit; its number of threads is the process's, so isolate it or restore it."""

    name, module, kinds = "torchscript", "torch", (TORCHSCRIPT,)

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _Session(str(self), artefact, threads)


class _Session(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        import torch  # here: a child process for another runtime needn't wait for it

        from qat.engine import activate

        super().__init__(who, artefact, "its number of threads is the whole process's")
        self._torch, self._threads = torch, threads
        activate()  # int8 weights are packed for the engine that is current when they are loaded
        self._network = torch.jit.load(str(artefact.path), map_location="cpu").eval()

    def _run(self, x: np.ndarray) -> np.ndarray:
        torch = self._torch
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            return self._network(torch.from_numpy(x).contiguous(memory_format=torch.channels_last)).numpy()
