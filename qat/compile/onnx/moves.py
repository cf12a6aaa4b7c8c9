"""What moves values to other places as ONNX nodes: on integers where they are on one grid, else on floats."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.steps import Step


def integers(values: Values, label: str, numbers: list[int]) -> str:
    """A constant of int64, shared by all steps that read the same."""
    return values.constant(f"{label}_{'_'.join(map(str, numbers))}", np.array(numbers, np.int64))


def cat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Concat."""
    return values.node("Concat", inputs, output, axis=step.attributes["dim"])


def stack(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """A new axis for each, then Concat."""
    axis = step.attributes["dim"] % len(step.shape)
    parts = [_at_axes(values, "Unsqueeze", [axis], name, f"{step.name}_joined_{at}") for at, name in enumerate(inputs)]
    return values.node("Concat", parts, output, axis=axis)


def getitem(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Slice, then Squeeze where an index is one number, and Unsqueeze where it is None."""
    entries, source = step.attributes["index"], values.before(step).shape
    of_source = [entry for entry in entries if entry is not None]
    gone = [at for at, entry in enumerate(of_source) if isinstance(entry, int)]
    added = [at for at, entry in enumerate(e for e in entries if not isinstance(e, int)) if entry is None]
    whole = [slice(0, size, 1) for size in source]
    runs = {at: _run(entry) for at, entry in enumerate(of_source) if entry != whole[at]}
    makers = [partial(_sliced, values, runs)] if runs else []
    makers += [
        partial(_at_axes, values, kind, axes) for kind, axes in (("Squeeze", gone), ("Unsqueeze", added)) if axes
    ]
    name = inputs[0]
    for at, make in enumerate(makers or [partial(_copied, values)], 1):
        name = make(name, output if at >= len(makers) else f"{output}_unfinished_{at}")
    return name


def _copied(values: Values, name: str, output: str) -> str:
    return values.node("Identity", [name], output)


def _sliced(values: Values, runs: dict[int, tuple[int, int, int]], name: str, output: str) -> str:
    """Slice, with a start, an end and a step for each axis."""
    starts, ends, steps = (list(part) for part in zip(*runs.values(), strict=True))
    parts = {"starts": starts, "ends": ends, "axes": list(runs), "steps": steps}
    return values.node("Slice", [name, *(integers(values, label, part) for label, part in parts.items())], output)


def _at_axes(values: Values, kind: str, axes: list[int], name: str, output: str) -> str:
    """Squeeze or Unsqueeze, whose axes are an input from operator set 13 on."""
    if values.opset < 13:
        return values.node(kind, [name], output, axes=axes)
    return values.node(kind, [name, integers(values, "axes", axes)], output)


def _run(entry: slice | int) -> tuple[int, int, int]:
    """Start, end and step."""
    return (entry, entry + 1, 1) if isinstance(entry, int) else (entry.start, entry.stop, entry.step)


def gather(values: Values, name: str, source: str, axis: int, index: list[int]) -> str:
    """The values of `source` at `index` of one axis."""
    return values.node("Gather", [source, integers(values, "index", index)], name, axis=axis)


def index_select(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Gather."""
    return gather(values, output, inputs[0], step.attributes["dim"], list(step.attributes["index"]))


def flip(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Slice, backwards."""
    rank = len(step.shape)
    dims = step.attributes["dims"]
    axes = [axis % rank for axis in (dims if isinstance(dims, tuple | list) else [dims])]
    return _sliced(values, dict.fromkeys(axes, (-1, -(2**31), -1)), inputs[0], output)


def roll(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Gather along each axis, or along the flat tensor."""
    given = step.attributes["shifts"], step.attributes["dims"]
    shifts, dims = ([value] if isinstance(value, int) else value for value in given)
    name, shape = inputs[0], step.shape
    if not dims:
        flat, dims, shape = reshaped(values, name, [-1], f"{output}_flat"), [0], (math.prod(step.shape),)
        rolled = gather(values, f"{output}_rolled", flat, 0, _rolled(shape[0], shifts[0]))
        return reshaped(values, rolled, list(step.shape), output)
    for at, (shift, axis) in enumerate(zip(shifts, dims, strict=True), 1):
        rolled = output if at == len(dims) else f"{output}_rolled_{axis}"
        name = gather(values, rolled, name, axis, _rolled(shape[axis], shift))
    return name


def _rolled(size: int, shift: int) -> list[int]:
    return [(at - shift) % size for at in range(size)]


def pad(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Pad; circular padding as a Gather along each axis, since Pad wraps only from opset 19 on."""
    given, rank = step.attributes, len(step.shape)
    sides, mode = list(given["pad"]), given["mode"]
    pairs = {rank - 1 - at: (sides[2 * at], sides[2 * at + 1]) for at in range(len(sides) // 2)}
    if mode == "circular":
        return _wrapped(values, step, inputs[0], pairs, output)
    before, after = ([pairs.get(axis, (0, 0))[side] for axis in range(rank)] for side in (0, 1))
    named = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[mode]
    value = [_filling(values, step, inputs[0])] if mode == "constant" else []
    return values.node("Pad", [inputs[0], integers(values, "sides", [*before, *after]), *value], output, mode=named)


def _filling(values: Values, step: Step, source: str) -> str:
    """The value of the padding; of integers their zero point."""
    before = step.inputs[0]
    if source == values.integers.get(before):
        return values.grid(*values.grids[before])[1]
    return values.number(step.attributes["value"] or 0.0)


def _wrapped(values: Values, step: Step, name: str, pairs: dict[int, tuple[int, int]], output: str) -> str:
    for at, (axis, (before, _)) in enumerate(pairs.items(), 1):
        size, wrapped = values.before(step).shape[axis], output if at == len(pairs) else f"{output}_wrapped_{axis}"
        name = gather(values, wrapped, name, axis, [(place - before) % size for place in range(step.shape[axis])])
    return name


def expand(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Expand; the batch stays open."""
    before = values.before(step).shape
    shape = list(step.shape)
    if len(before) == len(shape) and before[0] == shape[0]:
        shape[0] = 1
    return values.node("Expand", [inputs[0], integers(values, "shape", shape)], output)


def repeat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Tile."""
    size = step.attributes["size"]
    times = [size] if isinstance(size, int) else list(size)
    return values.node("Tile", [*inputs, integers(values, "times", times)], output)


def repeat_interleave(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Gather, each index several times."""
    axis, times = step.attributes["dim"], step.attributes["repeats"]
    if axis is None:
        raise UserError(f"{step.source}: repeat_interleave ({step.name}) of the flat tensor has no ONNX form; give dim")
    size = values.before(step).shape[axis]
    index = torch.arange(size).repeat_interleave(times).tolist()
    return gather(values, output, inputs[0], axis, index)


def reshape(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Reshape, flatten, squeeze or unsqueeze to the known shape; the batch stays open where it comes first."""
    same_batch = values.before(step).shape[:1] == step.shape[:1]
    if values.dynamic_batch and not same_batch:
        raise UserError(f"{step.source}: {step.op} ({step.name}) moves the batch axis; set COMPILE.DYNAMIC_BATCH False")
    return reshaped(values, inputs[0], [0, *step.shape[1:]] if same_batch else list(step.shape), output)


def reshaped(values: Values, name: str, shape: list[int], output: str) -> str:
    """`name` under another shape; 0 keeps a side."""
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


def channel_shuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """(N, groups, C / groups, H * W), the two axes in the middle swapped."""
    groups, (_, channels, *sides) = step.attributes["groups"], step.shape
    split = reshaped(values, inputs[0], [0, groups, channels // groups, math.prod(sides)], f"{output}_split")
    moved = values.node("Transpose", [split], f"{output}_moved", perm=[0, 2, 1, 3])
    return reshaped(values, moved, [0, *step.shape[1:]], output)


def pixel_shuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Channels to space, in torch's order."""
    size = int(step.attributes["upscale_factor"])
    return values.node("DepthToSpace", inputs, output, blocksize=size, mode="CRD")


def pixel_unshuffle(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Space to channels, in torch's order, which SpaceToDepth doesn't have."""
    size = int(step.attributes["downscale_factor"])
    _, channels, height, width = values.before(step).shape
    cells = [0, channels, height // size, size, width // size, size]
    split = reshaped(values, inputs[0], cells, f"{output}_split")
    moved = values.node("Transpose", [split], f"{output}_moved", perm=[0, 1, 3, 5, 2, 4])
    return reshaped(values, moved, [0, *step.shape[1:]], output)
