"""TorchScript: int_model.pt, and float traces."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import Artefact
from qat.stages.folders import INT_MODEL

if TYPE_CHECKING:
    import torch

TORCHSCRIPT = "TorchScript"
ENGINE = "engine"  # the entry of a file that names the engine of its int8 kernels


def save_script(script: torch.jit.ScriptModule, path: Path, engine: str = "") -> None:
    """Write a traced network; `engine`: that its int8 kernels were made for, as torch calls it.

    In memory first: torch's own writer ends the process where a disk is full.
    """
    import torch

    content = io.BytesIO()
    torch.jit.save(script, content, _extra_files={ENGINE: engine} if engine else {})  # type: ignore[no-untyped-call, unused-ignore]
    path.write_bytes(content.getbuffer())


def engine_of(path: Path) -> str:
    """The engine that a file was made for; auto where it says none, as float networks and older files do."""
    with zipfile.ZipFile(path) as archive:
        entry = next((name for name in archive.namelist() if name.endswith(f"/extra/{ENGINE}")), None)
        return archive.read(entry).decode() if entry else "auto"


def load_script(path: Path) -> torch.nn.Module:
    """A traced network, on the CPU in eval mode; int8 weights are packed for the engine that the file was made for."""
    import torch

    from qat.engine import engine_in_use

    with engine_in_use(engine_of(path)):
        network = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call, unused-ignore]
    return cast("torch.nn.Module", network.eval())


class TorchScript(Adapter):
    """torch.jit; its number of threads is the process's, so isolate it or restore it."""

    name, module, package = "torchscript", "torch", "torch"
    kinds, best, suffixes = (TORCHSCRIPT,), INT_MODEL, {".pt": TORCHSCRIPT}

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _TorchScriptSession(str(self), artefact, threads)


class _TorchScriptSession(AdapterSession):
    """Loads and runs on the artefact's own engine; the process's is the same before and after."""

    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        import torch  # here: a child process for another runtime needn't wait for it

        from qat.engine import engine_in_use

        super().__init__(who, artefact, "its number of threads is the whole process's")
        self._torch, self._threads = torch, threads
        self._engine, self._engine_in_use = engine_of(artefact.path), engine_in_use
        self._network = load_script(artefact.path)

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        torch = self._torch
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with self._engine_in_use(self._engine), torch.inference_mode():
            output = self._network(torch.from_numpy(x).contiguous(memory_format=torch.channels_last))
        return [np.asarray(one.numpy()) for one in (output if isinstance(output, (list, tuple)) else [output])]
