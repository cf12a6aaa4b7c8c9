"""An old ONNX file in a newer operator set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, checker, helper, shape_inference, version_converter

from qat.compile.onnx_file import open_onnx, opset_of
from qat.errors import UserError, as_user_error, quoted
from qat.files import atomic_path
from qat.runtimes.ort import options, session

NEAR = 1e-4  # of the largest output: other kernels of a newer operator sum in another order


@dataclass(frozen=True)
class Raised:
    """The written file, the operator set that it had and has, and the largest difference of an output, relative."""

    path: Path
    before: int
    after: int
    difference: float


def raise_opset(source: str | Path, to: int, output: str | Path | None = None) -> Raised:
    """Write a file's network in a newer operator set, held against the old file in ONNX Runtime on noise.

    Args:
        source: an ONNX file.
        to: the operator set.
        output: the file to write; by default beside the old one, named after the operator set.

    Returns:
        The new file and how far its outputs are from the old one's.

    Raises:
        UserError: for a lower operator set, an operator that onnx's converter doesn't know how to raise, and a new file
            that computes something else.
    """
    path = Path(source)
    model = open_onnx(path)
    before, target = opset_of(model), Path(output or path.with_name(f"{path.stem}_opset{to}.onnx"))
    _check(path, target, before, to)
    raised = _converted(model, path, to)
    with atomic_path(target) as aside:
        onnx.save(raised, aside)
        return Raised(target, before, to, _difference(path, aside, raised))


def _check(path: Path, target: Path, before: int, to: int) -> None:
    newest = onnx.defs.onnx_opset_version()
    if to == before:
        raise UserError(f"{path} has operator set {to} already; expected one above it")
    if to < before:
        raise UserError(
            f"{path} has operator set {before}, and it can't be lowered to {to}: onnx's converter has no way back for "
            f"many operators; write the file anew (rtseg-qat export --output net.onnx --opset {to})"
        )
    if to > newest:
        raise UserError(f"--to is {to}, and onnx {onnx.__version__} knows operator sets up to {newest}")
    if target.resolve() == path.resolve():
        raise UserError(f"--output {target} is the file that is read; choose another")


def _converted(model: ModelProto, path: Path, to: int) -> ModelProto:
    try:
        raised = version_converter.convert_version(model, to)
        checker.check_model(raised, full_check=True)
    except Exception as error:  # the converter is C++ and has none of its own
        line = quoted(str(error).strip().splitlines()[0]) if str(error).strip() else type(error).__name__
        raise UserError(
            f"{path} can't be raised to operator set {to}: {line}; export the network anew with that operator set"
        ) from error
    return raised


def _difference(before: Path, after: Path, model: ModelProto) -> float:
    """The largest difference of an output on noise, as a share of the output's largest value."""
    feed = {value.name: _noise(value) for value in _inputs(model)}
    with as_user_error("ONNX Runtime doesn't run the file", "export the network anew"):
        pairs = zip(*(session(path, options(1)).run(None, feed) for path in (before, after)), strict=True)
        off = max(float(np.abs(one - other).max() / max(np.abs(one).max(), 1e-12)) for one, other in pairs)
    if not off <= NEAR:
        raise UserError(f"{after.name} computes something else than the file it was made from, by {off:.2g}; report it")
    return off


def _inputs(model: ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {one.name for one in model.graph.initializer}
    return [value for value in shape_inference.infer_shapes(model).graph.input if value.name not in constants]


def _noise(value: onnx.ValueInfoProto) -> np.ndarray:
    """Of an input's type and shape; 1 for each side that is open, but 64 for a picture's."""
    kind, rng = value.type.tensor_type, np.random.default_rng(0)
    sides = [part.dim_value or (64 if at > 1 else 1) for at, part in enumerate(kind.shape.dim)]
    if kind.elem_type == TensorProto.UINT8:
        return rng.integers(0, 256, sides, np.uint8)
    return rng.standard_normal(sides).astype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
