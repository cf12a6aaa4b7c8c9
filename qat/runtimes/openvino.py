"""OpenVINO, and its own format."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.openvino import OpenVinoSession, compiled, core
from qat.errors import UserError
from qat.files import atomic_path, scratch_folder
from qat.invocation import command
from qat.runtimes.adapter import Adapter, AdapterSession, Conversion
from qat.runtimes.artefact import ONNX, QDQ_S8, QDQ_U8, Artefact, read_artefact
from qat.runtimes.child_process import in_child
from qat.runtimes.conversion import check_conversion
from qat.runtimes.optional import require
from qat.runtimes.protocol import LayerTime

IR = "OpenVINO IR"


class OpenVino(Adapter):
    """It takes the s8 spelling of int8, and its own format (IR), the .xml file with the .bin file beside it."""

    name, module, package = "openvino", "openvino", "openvino"
    kinds, best, suffixes = (ONNX, QDQ_S8, IR), "model_openvino.onnx", {".xml": IR}
    conversions = (
        Conversion("model_float.xml", ", OpenVINO IR", parts=("model_float.bin",)),
        Conversion("model_openvino.xml", ", OpenVINO IR", parts=("model_openvino.bin",), source=best, is_int8=True),
    )

    def convert(self, source: str | Path, destination: str | Path, options: Sequence[str] = ()) -> None:
        """See `Adapter.convert`: `destination` (.xml) and the .bin beside it; weights keep all of their bits."""
        require(self.module)
        artefact = read_artefact(Path(source))
        if artefact.kind not in (ONNX, QDQ_S8):
            raise UserError(f"openvino can't convert {artefact}: {self.refusal(artefact.kind)}")
        with scratch_folder() as folder:
            made = folder / "model.xml"
            in_child(f"{self}'s converter", f"converting {source}", convert, artefact, made)
            for part in (weights_of(made), made):
                with atomic_path(Path(destination).with_suffix(part.suffix)) as aside:
                    shutil.copyfile(part, aside)

    def refusal(self, kind: str) -> str:
        """u8 files have a reason of their own."""
        crash = "OpenVINO 2026.4 crashes on u8 files of some networks; give it the s8 file, which has the same numbers"
        return crash if kind == QDQ_U8 else super().refusal(kind)

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _OpenVinoSession(str(self), artefact, threads, self.device)


class _OpenVinoSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int, device: str) -> None:
        sized = of_ir(artefact) if artefact.kind == IR else artefact
        super().__init__(who, replace(sized, shape=(sized.shape[0] or 1, *sized.shape[1:])))
        self._threads, self._device = threads, device
        self._session = OpenVinoSession(artefact.path, threads, device)

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        return self._session.run(x)

    def layers(self) -> list[LayerTime]:
        """Times of the second run of a profiled copy; what was fused into another layer is left out."""
        network = compiled(self.artefact.path, self._threads, self._device, PERF_COUNT=True)
        request = network.create_infer_request()
        for _ in range(2):
            request.infer({0: self.artefact.example()})
        ran = [layer for layer in request.profiling_info if layer.status.name == "EXECUTED"]
        times = {layer.node_name: layer.real_time for layer in ran}
        return [
            LayerTime(name, kind, precision, times[name].total_seconds() * 1000)
            for name, kind, precision in executed(network)
            if name in times
        ]


def convert(source: Artefact, destination: Path) -> None:
    """Convert and check in this process. Raises as `check_conversion` does."""
    import openvino

    network = core().read_model(source.path)
    openvino.save_model(network, destination, compress_to_fp16=False)
    check_conversion(OpenVino(), destination, source.path)


def weights_of(path: Path) -> Path:
    """The .bin file of an .xml file."""
    return path.with_suffix(".bin")


def of_ir(artefact: Artefact) -> Artefact:
    """`artefact`, an IR, with the type and size of pictures that it says."""
    if not weights_of(artefact.path).is_file():
        belongs = f"which belong to {artefact.path}"
        raise UserError(f"no weights at {weights_of(artefact.path)}, {belongs}; run {command('compile')}")
    picture = core().read_model(artefact.path).input(0)
    shape = tuple(size.get_length() if size.is_static else None for size in picture.partial_shape)
    return replace(artefact, input=picture.any_name, shape=shape, dtype=np.dtype(picture.element_type.to_dtype()))


def executed(network: Any) -> list[tuple[str, str, str]]:
    """(name, kind, precision) of what a compiled network executes, in its order."""
    layers = []
    for layer in network.get_runtime_model().get_ordered_ops():
        facts = {key: layer.get_rt_info()[key].astype(str) for key in ("layerType", "runtimePrecision", "execOrder")}
        layers.append((int(facts["execOrder"]), layer.friendly_name, facts["layerType"], facts["runtimePrecision"]))
    return [layer[1:] for layer in sorted(layers)]
