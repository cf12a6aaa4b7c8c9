"""ncnn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.captured import captured_output
from qat.deploy.sessions.protocol import CPU, Array
from qat.errors import UserError

VULKAN = "VULKAN"


class NcnnSession:
    """Computes in float32: storage and arithmetic in fp16 and bf16 are off, for parity. One picture at a time."""

    note = ""

    def __init__(self, path: Path, threads: int, device: str = CPU) -> None:
        import ncnn

        weights = weights_of(path)
        if not weights.is_file():
            raise UserError(f"no weights at {weights}, which belong to {path}; copy or write both")
        self._ncnn, self._network = ncnn, ncnn.Net()
        options = self._network.opt
        options.num_threads, options.use_vulkan_compute = threads, device == VULKAN
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(options, option, False)
        with captured_output() as printed:
            failed = self._network.load_param(str(path)) or self._network.load_model(str(weights))
            printed.seek(0)
            if failed or not self._network.output_names():
                raise RuntimeError(printed.read() or "it has no output")

    def run(self, x: Array) -> list[Array]:
        """See `Session.run`."""
        if len(x) != 1:
            raise UserError(f"ncnn takes one picture at a time; got {len(x)}")
        with self._network.create_extractor() as extractor:
            extractor.input("in0", self._ncnn.Mat(x[0]))
            return [self._extracted(extractor, name) for name in sorted(self._network.output_names())]

    def _extracted(self, extractor: Any, name: str) -> Array:
        failed, output = extractor.extract(name)
        if failed:
            raise RuntimeError(f"ncnn's code {failed}")
        return np.array(output)[None]


def weights_of(path: Path) -> Path:
    """The .bin file beside a .param file."""
    return path.with_suffix(".bin")


def devices() -> tuple[str, ...]:
    """The CPU, and Vulkan where ncnn finds a GPU that has it."""
    import ncnn

    with captured_output():
        return (CPU, VULKAN) if ncnn.get_gpu_count() else (CPU,)
