"""The files of the compile folder, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qat.files import sha256
from qat.runtimes import BEST, RUNTIMES
from qat.runtimes.artefact import ONNX
from qat.runtimes.conversion import SOURCE
from qat.stages.folders import INT8_ONNX, INT_MODEL

ONNX_RUNTIMES = tuple(runtime.name for runtime in RUNTIMES if ONNX in runtime.kinds)
CONVERTERS = tuple(runtime.name for runtime in RUNTIMES if runtime.conversions)  # of ONNX, into formats of their own


@dataclass(frozen=True)
class ArtefactSpec:
    """A file: its name, its kind in the manifest, how it was made, and the runtimes that it is run in.

    `spelling`: of an ONNX file (`qat.compile.onnx.values.SPELLINGS`). `converter`: the runtime that makes it from
    the float ONNX file with the `options`. Without either it is TorchScript. `parts`: files that belong to it.
    `is_int8`: it holds the int8 network; `is_exact`: the float network with all of its weights' bits.
    """

    name: str
    kind: str
    how: str
    runtimes: tuple[str, ...]
    spelling: str = ""
    converter: str = ""
    options: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    is_int8: bool = False
    is_exact: bool = False

    def record(self, folder: Path, macs: int, runtimes: Sequence[str]) -> dict[str, Any]:
        """The manifest's entry; `runtimes`: those that ran it."""
        path, parts = folder / self.name, [folder / name for name in self.parts]
        return {
            "kind": self.kind,
            "sha256": sha256(path),
            "parts": {part.name: sha256(part) for part in parts},
            "bytes": sum(file.stat().st_size for file in (path, *parts)),
            "how": self.how,
            "runtimes": list(runtimes),
            "macs": macs,
        }


OWN = (
    ArtefactSpec(
        name=INT_MODEL,
        kind="torchscript",
        how="int_infer, traced and frozen",
        runtimes=("torchscript",),
        is_int8=True,
    ),
    ArtefactSpec(
        name=INT8_ONNX,
        kind="onnx_int8_s8",
        how="QDQ, int8 activations with zero point 0",
        runtimes=(*ONNX_RUNTIMES, *CONVERTERS),  # the converters refuse it, and say why
        spelling="plain",
        is_int8=True,
    ),
    ArtefactSpec(
        name=BEST["ort"],
        kind="onnx_int8_u8",
        how="QDQ, the same integers as uint8, for ONNX Runtime on x86",
        runtimes=("ort",),
        spelling="ort",
        is_int8=True,
    ),
    ArtefactSpec(
        name=BEST["openvino"],
        kind="onnx_int8_s8",
        how="QDQ, the same integers, those after a ReLU as uint8, for OpenVINO on x86",
        runtimes=("openvino",),
        spelling="openvino",
        is_int8=True,
    ),
    ArtefactSpec(
        name="model_float.pt",
        kind="torchscript_float",
        how="the rewritten float network, traced and frozen",
        runtimes=("torchscript",),
        is_exact=True,
    ),
    ArtefactSpec(
        name=SOURCE,
        kind="onnx_float",
        how="the rewritten float network",
        runtimes=ONNX_RUNTIMES,
        spelling="plain",
        is_exact=True,
    ),
)
CONVERTED = tuple(
    ArtefactSpec(
        name=conversion.name,
        kind=runtime.name,
        how=f"converted from {SOURCE}{conversion.how}",
        runtimes=(runtime.name,),
        converter=runtime.name,
        options=conversion.options,
        parts=conversion.parts,
        is_exact=conversion.is_exact,
    )
    for runtime in RUNTIMES
    for conversion in runtime.conversions
)
ARTEFACTS = (*OWN, *CONVERTED)
INT8_KINDS = frozenset(spec.kind for spec in ARTEFACTS if spec.is_int8)
