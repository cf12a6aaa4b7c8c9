"""The files of the compile folder, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qat.files import sha256
from qat.runtimes import BEST, RUNTIMES, Adapter
from qat.runtimes.adapter import Conversion
from qat.runtimes.artefact import ONNX, SOURCE
from qat.runtimes.mnn import Mnn, MnnSettings, conversions
from qat.stages.folders import INT8_ONNX, INT_MODEL

ONNX_RUNTIMES = tuple(runtime.name for runtime in RUNTIMES if ONNX in runtime.kinds)
CONVERTERS = tuple(runtime.name for runtime in RUNTIMES if ONNX not in runtime.kinds and runtime.conversions)


@dataclass(frozen=True)
class ArtefactSpec:
    """A file: its name, its kind in the manifest, how it was made, and the runtimes that it is run in.

    `spelling`: of an ONNX file (`qat.compile.onnx.values.SPELLINGS`). `converter`: the runtime that makes it from
    `source` with the `options`. Without either it is TorchScript. `parts`: files that belong to it.
    `is_int8`: it holds the int8 network; `is_exact`: the float network with all of its weights' bits.
    """

    name: str
    kind: str
    how: str
    runtimes: tuple[str, ...]
    spelling: str = ""
    converter: str = ""
    source: str = ""
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


def artefacts(mnn: MnnSettings) -> tuple[ArtefactSpec, ...]:
    """All rows, MNN's files in the forms that its settings say.

    >>> [spec.name for spec in artefacts(MnnSettings(weight_bits=4)) if "_w" in spec.name]
    ['model_float_w4.mnn']
    """
    pairs = ((runtime, forms) for runtime in RUNTIMES for forms in _conversions(runtime, mnn))
    return (*OWN, *(_converted(runtime, conversion) for runtime, conversion in pairs))


def _conversions(runtime: Adapter, mnn: MnnSettings) -> Sequence[Conversion]:
    return conversions(mnn) if isinstance(runtime, Mnn) else runtime.conversions


def _converted(runtime: Adapter, conversion: Conversion) -> ArtefactSpec:
    return ArtefactSpec(
        name=conversion.name,
        kind=f"{runtime.name}_int8" if conversion.is_int8 else runtime.name,
        how=f"converted from {conversion.source}{conversion.how}",
        runtimes=(runtime.name,),
        converter=runtime.name,
        source=conversion.source,
        options=conversion.options,
        parts=conversion.parts,
        is_int8=conversion.is_int8,
        is_exact=conversion.is_exact and not conversion.is_int8,
    )


ARTEFACTS = artefacts(MnnSettings())
INT8_KINDS = frozenset(spec.kind for spec in ARTEFACTS if spec.is_int8)
