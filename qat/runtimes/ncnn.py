"""ncnn on the CPU: the .ncnn.param and .ncnn.bin files that `qat.runtimes.ncnn_convert` makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from qat.errors import UserError
from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import NCNN, QDQ_S8, QDQ_U8, Artefact
from qat.runtimes.blame import quiet

QDQ_REFUSED = (
    "pnnx leaves the scales of a QDQ file in pnnx.Expression layers, which ncnn doesn't have; convert model_float.onnx"
)


class Ncnn(Adapter):
    """Computes in float32: storage and arithmetic in fp16 and bf16 are off, for parity."""

    name, module, kinds = "ncnn", "ncnn", (NCNN,)

    def refusal(self, kind: str) -> str:
        """QDQ files have a reason of their own."""
        return QDQ_REFUSED if kind in (QDQ_S8, QDQ_U8) else "it takes .ncnn.param files; make compile writes them"

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _Session(str(self), artefact, threads)


class _Session(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        import ncnn

        weights = weights_of(artefact.path)
        if not weights.is_file():
            raise UserError(f"no weights at {weights}, which belong to {artefact.path}; run make compile")
        super().__init__(who, replace(artefact, shape=(1, *_input_size(artefact.path)), dtype=np.dtype(np.float32)))
        self._ncnn, self._network = ncnn, ncnn.Net()
        options = self._network.opt
        options.num_threads, options.use_vulkan_compute = threads, False
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(options, option, False)
        with quiet() as said:
            failed = self._network.load_param(str(artefact.path)) or self._network.load_model(str(weights))
            said.seek(0)
            if failed or not self._network.output_names():
                raise RuntimeError(said.read() or "it has no output")

    def _run(self, x: np.ndarray) -> np.ndarray:
        with self._network.create_extractor() as extractor:
            extractor.input("in0", self._ncnn.Mat(x[0]))
            failed, output = extractor.extract("out0")
            if failed:
                raise RuntimeError(f"ncnn's code {failed}")
            return np.array(output)[None]


def weights_of(path: Path) -> Path:
    """The .bin file beside a .param file."""
    return path.with_suffix(".bin")


def _input_size(path: Path) -> tuple[int | None, ...]:
    """(channels, height, width) from the Input layer's hints 2=, 1=, 0= (qat's converter writes them)."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Input "):
            hints = dict(word.split("=") for word in line.split() if "=" in word)
            return tuple(int(hints[key]) if key in hints else None for key in ("2", "1", "0"))
    return 3, None, None
