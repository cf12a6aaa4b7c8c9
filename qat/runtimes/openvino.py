"""OpenVINO on the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qat.runtimes.adapter import Adapter, AdapterSession
from qat.runtimes.artefact import ONNX, QDQ_S8, QDQ_U8, Artefact
from qat.runtimes.protocol import LayerTime

IR = "OpenVINO IR"


class OpenVino(Adapter):
    """It takes the s8 spelling of int8, and its own format."""

    name, module, package = "openvino", "openvino", "openvino"
    kinds, best, suffixes = (ONNX, QDQ_S8, IR), "model_openvino.onnx", {".xml": IR}

    def refusal(self, kind: str) -> str:
        """u8 files have a reason of their own."""
        crash = "OpenVINO 2026.4 crashes on u8 files of some networks; give it the s8 file, which has the same numbers"
        return crash if kind == QDQ_U8 else super().refusal(kind)

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _OpenVinoSession(str(self), artefact, threads)


class _OpenVinoSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int) -> None:
        super().__init__(who, replace(artefact, shape=(artefact.shape[0] or 1, *artefact.shape[1:])))
        self._threads = threads
        self._request = compiled(self.artefact, threads).create_infer_request()

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        outputs = self._request.infer({0: x}, share_inputs=True)
        return [np.asarray(outputs[at]) for at in range(len(outputs))]

    def layers(self) -> list[LayerTime]:
        """Times of the second run of a profiled copy; what was fused into another layer is left out."""
        network = compiled(self.artefact, self._threads, PERF_COUNT=True)
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


def compiled(artefact: Artefact, threads: int, **more: Any) -> Any:
    """The network compiled for latency; a free batch becomes 1, since fixed shapes are faster.

    Float layers compute in float32: left to itself OpenVINO takes bfloat16 where the CPU has it.
    """
    import openvino

    core = openvino.Core()
    network = core.read_model(artefact.path)
    if network.input(0).partial_shape.is_dynamic:
        network.reshape([size or -1 for size in (artefact.shape[0] or 1, *artefact.shape[1:])])
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return core.compile_model(network, "CPU", hints | more)


def executed(network: Any) -> list[tuple[str, str, str]]:
    """(name, kind, precision) of what a compiled network executes, in its order."""
    layers = []
    for layer in network.get_runtime_model().get_ordered_ops():
        facts = {key: layer.get_rt_info()[key].astype(str) for key in ("layerType", "runtimePrecision", "execOrder")}
        layers.append((int(facts["execOrder"]), layer.friendly_name, facts["layerType"], facts["runtimePrecision"]))
    return [layer[1:] for layer in sorted(layers)]
