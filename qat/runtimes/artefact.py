"""A file's kind and the pictures that it takes, before a runtime opens it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qat.errors import UserError
from qat.invocation import command
from qat.runtimes.optional import require

SOURCE = "model_float.onnx"  # what converters are given
ONNX, QDQ_S8, QDQ_U8 = "float ONNX", "int8 QDQ ONNX (s8)", "int8 QDQ ONNX (u8)"
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Artefact:
    """A file. `kind`: one named above, or a runtime's own format.

    `input`, `shape` (None: any) and `dtype` are of the pictures it takes, as far as the file tells.
    """

    path: Path
    kind: str
    input: str = "image"
    shape: tuple[int | None, ...] = (None, None, None, None)
    dtype: np.dtype[Any] | None = None

    def __str__(self) -> str:
        """Path and kind, for messages."""
        return f"{self.path} ({self.kind})"

    def example(self) -> np.ndarray:
        """A picture of noise of the artefact's shape, batch 1 where any will do, 64 where any size will do."""
        shape = [fixed or default for fixed, default in zip(self.shape, (1, 3, 64, 64), strict=True)]
        noise = np.random.default_rng(0).normal(size=shape)
        return (noise * 64 + 128).clip(0, 255).astype(np.uint8) if self.dtype == np.uint8 else noise.astype(np.float32)

    def batch_for(self, x: np.ndarray) -> int:
        """How many of `x`'s pictures go in at a time; UserError if they don't fit."""
        fits = x.ndim == len(self.shape) and len(x) > 0
        fits = fits and all(want in (None, got) for want, got in zip(self.shape[1:], x.shape[1:], strict=True))
        batch = self.shape[0] or len(x)
        if not fits or len(x) % batch or self.dtype not in (None, x.dtype):
            takes = "x".join("N" if size is None else str(size) for size in self.shape)
            raise UserError(
                f"{self.path} takes {self.dtype or 'numbers'} {takes} and the input is {x.dtype} "
                f"{'x'.join(map(str, x.shape))}; give that, or compile for this size (COMPILE.INPUT_SIZE)"
            )
        return batch


def read_artefact(path: Path, suffixes: Mapping[str, str] = _NONE) -> Artefact:
    """Look at a file; `suffixes`: of a runtime's own formats, beside ONNX -> kind.

    A file with another suffix has the suffix for its kind, which no runtime takes. UserError if there is none, or it is
    damaged.
    """
    if not path.is_file():
        raise UserError(f"no artefact at {path}; run {command('compile')}")
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _read_onnx(path)
    return Artefact(path, suffixes.get(suffix, suffix or "no suffix"))


def _read_onnx(path: Path) -> Artefact:
    require("onnx")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path).graph
    except DecodeError as error:
        raise UserError(f"{path} is not a readable ONNX file ({error}); run {command('compile')} again") from error
    if not graph.input:
        raise UserError(f"{path} is not a readable ONNX file (it has no input); run {command('compile')} again")
    picture = graph.input[0]
    sizes = [dim.dim_value or None for dim in picture.type.tensor_type.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(picture.type.tensor_type.elem_type)
    return Artefact(path, _spelling(graph), picture.name, tuple(sizes), dtype)


def _spelling(graph: Any) -> str:
    """Whether activations are quantised, and to which bytes: those of the first QuantizeLinear's zero point."""
    from onnx import TensorProto

    types = {constant.name: constant.data_type for constant in graph.initializer}
    steps = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    if not steps:
        return ONNX
    signed = len(steps[0].input) > 2 and types.get(steps[0].input[2]) == TensorProto.INT8
    return QDQ_S8 if signed else QDQ_U8
