"""TorchScript: int_model.pt, and float traces."""

from __future__ import annotations

import numpy as np
import torch

from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import TORCHSCRIPT, Artefact


class TorchScript(Adapter):
    """torch.jit; its number of threads is the process's, so isolate it or restore it."""

    name, module, kinds = "torchscript", "torch", (TORCHSCRIPT,)

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _Session(str(self), artefact, threads)


class _Session(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        super().__init__(who, artefact, "its number of threads is the whole process's")
        self._network = torch.jit.load(str(artefact.path), map_location="cpu").eval()
        self._threads = threads

    @torch.inference_mode()
    def _run(self, x: np.ndarray) -> np.ndarray:
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        return self._network(torch.from_numpy(x).contiguous(memory_format=torch.channels_last)).numpy()
