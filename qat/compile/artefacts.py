"""The files of the compile folder, and which runtime runs which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qat.files import sha256

ONNX_RUNTIMES = ("ort", "openvino", "opencv", "mnn", "ncnn")
BEST = {  # what each runtime runs best
    "torchscript": "int_model.pt",
    "ort": "model_ort.onnx",
    "openvino": "model_openvino.onnx",
    "opencv": "model.onnx",
    "mnn": "model_float.mnn",
    "ncnn": "model_float.ncnn.param",
}


@dataclass(frozen=True)
class Made:
    """An artefact: its file's name, kind (as qat.compile.perf reads it), how it was made, the runtimes to run it in."""

    name: str
    kind: str
    how: str
    runtimes: Sequence[str]

    @property
    def is_int8(self) -> bool:
        """Whether it holds the int8 network."""
        return self.kind in ("torchscript", "onnx_int8_s8", "onnx_int8_u8")

    @property
    def is_exact(self) -> bool:
        """Whether it holds the float network with all of its weights' bits."""
        return not self.is_int8 and MNN_FORMS.get(self.name) not in ("fp16", "w8")

    def record(self, folder: Path, macs: int, runtimes: Sequence[str]) -> dict[str, Any]:
        """The manifest's entry; `parts`: the hashes of files that belong to it (ncnn's weights)."""
        path = folder / self.name
        parts = sorted(set(folder.glob(f"{path.stem}.*")) - {path}) if self.kind == "ncnn" else []
        return {
            "kind": self.kind,
            "sha256": sha256(path),
            "parts": {part.name: sha256(part) for part in parts},
            "bytes": sum(file.stat().st_size for file in (path, *parts)),
            "how": self.how,
            "runtimes": list(runtimes),
            "macs": macs,
        }


ARTEFACTS = (
    Made("int_model.pt", "torchscript", "int_infer, traced and frozen", ("torchscript",)),
    Made("model.onnx", "onnx_int8_s8", "QDQ, int8 activations with zero point 0", ONNX_RUNTIMES),
    Made("model_ort.onnx", "onnx_int8_u8", "QDQ, the same integers as uint8, for ONNX Runtime on x86", ("ort",)),
    Made(
        "model_openvino.onnx",
        "onnx_int8_s8",
        "QDQ, the same integers, those after a ReLU as uint8, for OpenVINO on x86",
        ("openvino",),
    ),
    Made("model_float.pt", "torchscript_float", "the rewritten float network, traced and frozen", ("torchscript",)),
    Made("model_float.onnx", "onnx_float", "the rewritten float network", ("ort", "openvino", "opencv")),
    Made("model_float.mnn", "mnn", "converted from model_float.onnx, fp32", ("mnn",)),
    Made("model_float_fp16.mnn", "mnn", "converted from model_float.onnx, weights in fp16", ("mnn",)),
    Made("model_float_w8.mnn", "mnn", "converted from model_float.onnx, weights in 8 bits", ("mnn",)),
    Made("model_float_static.mnn", "mnn", "converted from model_float.onnx, shapes stored", ("mnn",)),
    Made("model_float.ncnn.param", "ncnn", "converted from model_float.onnx by pnnx, fp32", ("ncnn",)),
)
MNN_FORMS = {
    "model_float.mnn": "fp32",
    "model_float_fp16.mnn": "fp16",
    "model_float_w8.mnn": "w8",
    "model_float_static.mnn": "static",
}
