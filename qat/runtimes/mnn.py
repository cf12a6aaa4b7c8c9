"""MNN on the CPU: the .mnn files that `qat.runtimes.mnn_convert` makes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import MNN, QDQ_S8, QDQ_U8, Artefact
from qat.runtimes.blame import quiet

QDQ_REFUSED = (
    "MNN's converter takes the channels of a QDQ file's input for its batch, says Converted Success! and writes a "
    "network that can't run; convert model_float.onnx, as fp32, fp16 or with 8-bit weights"
)


class Mnn(Adapter):
    """Computes in float32, whatever form the weights are stored in."""

    name, module, kinds = "mnn", "MNN", (MNN,)

    def refusal(self, kind: str) -> str:
        """QDQ files have a reason of their own."""
        return QDQ_REFUSED if kind in (QDQ_S8, QDQ_U8) else "it takes .mnn files; make compile writes them"

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _Session(str(self), artefact, threads)


class _Session(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        path, settings = str(artefact.path), {"backend": "CPU", "precision": "high", "numThread": threads}
        with quiet():
            from MNN import expr, nn

            known = nn.load_module_from_file(path, [], []).get_info()
            manager = nn.create_runtime_manager((settings,))
            ends = known["inputNames"], known["outputNames"]
            self._network = nn.load_module_from_file(path, *ends, runtime_manager=manager)
            self._expr = expr
        self._manager = manager  # the network doesn't keep it
        super().__init__(who, labelled(artefact, known["bizCode"]))

    def _run(self, x: np.ndarray) -> np.ndarray:
        outputs = self._forward(x)
        if not outputs:
            with quiet() as said:  # MNN prints its reasons
                self._forward(x)
                said.seek(0)
                raise RuntimeError(said.read() or "it gives no output")
        return np.array(self._expr.convert(outputs[0], self._expr.NCHW).read())

    def _forward(self, x: np.ndarray) -> list[Any]:
        expr = self._expr
        dtype = expr.uint8 if x.dtype == np.uint8 else expr.float
        return self._network.forward([expr.const(x, list(x.shape), expr.NCHW, dtype)])


def label(artefact: Artefact) -> str:
    """What an artefact takes, as text for the .mnn file's label (it has no other place for it): float32:1x3x360x480."""
    return f"{artefact.dtype}:" + "x".join("N" if size is None else str(size) for size in artefact.shape)


def labelled(artefact: Artefact, text: str) -> Artefact:
    """`artefact` with the type and size that `label` wrote; as it is if something else made the file."""
    match = re.fullmatch(r"(float32|uint8):((?:\d+|N)(?:x(?:\d+|N)){3})", text)
    if match is None:
        return artefact
    shape = tuple(None if size == "N" else int(size) for size in match[2].split("x"))
    return replace(artefact, shape=shape, dtype=np.dtype(match[1]))
