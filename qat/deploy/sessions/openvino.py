"""OpenVINO: ONNX, and its own format."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from qat.deploy.sessions.protocol import CPU, Array


class OpenVinoSession:
    """A network compiled for latency."""

    note = ""

    def __init__(self, path: Path, threads: int, device: str = CPU) -> None:
        self._request = compiled(path, threads, device).create_infer_request()

    def run(self, x: Array) -> list[Array]:
        """See `Session.run`."""
        outputs = self._request.infer({0: x}, share_inputs=True)
        return [np.asarray(outputs[at]) for at in range(len(outputs))]


@cache
def core() -> Any:
    """OpenVINO's core, one for the life of the process.

    Its CPU plugin gives the thread that first compiles a signal stack of its own, and takes it away with the core. Of
    two cores the one that goes last would leave the first one's, which is no memory any more: the next signal that
    Python handles, such as Ctrl-C or a data worker's end, would be a segmentation fault.
    """
    import openvino

    return openvino.Core()


def devices() -> tuple[str, ...]:
    """The devices that OpenVINO's plugins find."""
    return tuple(core().available_devices)


def compiled(path: Path, threads: int, device: str = CPU, **more: Any) -> Any:
    """The network compiled for latency; a free batch becomes 1, since fixed shapes are faster.

    Float layers compute in float32: left to itself OpenVINO takes bfloat16 where the CPU has it. Threads aren't tied to
    cores: each network would tie its own to the same ones, which several processes or other work would share.
    """
    network = core().read_model(path)
    if network.input(0).partial_shape.is_dynamic:
        batch, *sides = (side.get_length() if side.is_static else None for side in network.input(0).partial_shape)
        network.reshape([batch or 1, *(side or -1 for side in sides)])
    hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if device == CPU:
        hints |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return core().compile_model(network, device, hints | more)
