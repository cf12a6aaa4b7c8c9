"""Operations that move values, or take their mean, as ONNX nodes."""

from __future__ import annotations

import numpy as np

from qat.compile.onnx.elementwise import Emit
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.steps import Step


def reshape(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Reshape, flatten, squeeze or unsqueeze to the known shape; the batch stays open where it comes first."""
    same_batch = values.before(step).shape[:1] == step.shape[:1]
    if values.dynamic_batch and not same_batch:
        raise UserError(f"{step.source}: {step.op} ({step.name}) moves the batch axis; set COMPILE.DYNAMIC_BATCH False")
    return _reshaped(values, inputs[0], [0, *step.shape[1:]] if same_batch else list(step.shape), output)


def _reshaped(values: Values, name: str, shape: list[int], output: str) -> str:
    target = values.constant(f"shape_{'x'.join(map(str, shape))}", np.array(shape, np.int64))
    return values.node("Reshape", [name, target], output)


def permute(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """A new order of the axes."""
    rank = len(step.shape)
    order = list(range(rank))
    if step.op == "permute":
        order = [dim % rank for dim in step.attributes["dims"]]
    else:
        first, second = step.attributes["dim0"] % rank, step.attributes["dim1"] % rank
        order[first], order[second] = second, first
    return values.node("Transpose", inputs, output, perm=order)


def reduce(kind: str, axes_are_input_from: int) -> Emit:
    """A sum or mean over axes, which older operator sets take as an attribute."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        dims, rank = step.attributes["dim"], len(values.before(step).shape)
        axes = [dims] if isinstance(dims, int) else list(dims or range(rank))
        keep = int(step.attributes["keepdim"])
        if values.opset < axes_are_input_from:
            return values.node(kind, inputs, output, axes=axes, keepdims=keep)
        named = values.constant(f"axes_{'_'.join(map(str, axes))}", np.array(axes, np.int64))
        return values.node(kind, [*inputs, named], output, keepdims=keep)

    return write


def repeat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Tile."""
    times = list(step.attributes["size"])
    label = f"times_{'_'.join(map(str, times))}"
    return values.node("Tile", [*inputs, values.constant(label, np.array(times, np.int64))], output)


def pixel_shuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Channels to space, in torch's order."""
    size = int(step.attributes["upscale_factor"])
    return values.node("DepthToSpace", inputs, output, blocksize=size, mode="CRD")


def pixel_unshuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Space to channels, in torch's order, which SpaceToDepth doesn't have."""
    size = int(step.attributes["downscale_factor"])
    _, channels, height, width = values.before(step).shape
    cells = [0, channels, height // size, size, width // size, size]
    split = _reshaped(values, inputs[0], cells, f"{step.name}_split")
    moved = values.node("Transpose", [split], f"{step.name}_moved", perm=[0, 1, 3, 5, 2, 4])
    return _reshaped(values, moved, [0, *step.shape[1:]], output)
