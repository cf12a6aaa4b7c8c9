"""The table of operators that move values: shapes, parts, resampling."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.models.onnx import sizes
from qat.models.onnx.step import Constant, Row, Step, Value, is_numbers, is_tensor, numbers, tensor
from qat.models.onnx.windows import average_pool, max_pool


def _shape(step: Step, x: Value) -> list[Any]:
    shape = [len(x)] if isinstance(x, list) else tensor(step, x).shape
    axes = list(range(len(shape)))[step.get("start", 0) : step.get("end")]
    return [shape[axis] for axis in axes]


def _reshape(step: Step, x: Value, shape: Value = None) -> Value:
    wanted = step.get("shape") if shape is None else numbers(step, shape)
    if is_numbers(x):
        return sizes.shaped(sizes.flat(x), wanted)
    x = tensor(step, x)
    keep = not step.get("allowzero", 0)
    sides = [x.shape[axis] if keep and type(side) is int and side == 0 else side for axis, side in enumerate(wanted)]
    if step.batch is not None and len(sides) > 1 and type(sides[0]) is int and sides[0] == step.batch:
        # the file is for one number of pictures, the network for any
        sides[0] = x.shape[0] if any(type(side) is int and side == -1 for side in sides) else -1
    return x.reshape(sides)


def _flatten(step: Step, x: Value) -> Tensor:
    if step.get("axis", 1) != 1:
        step.refuse("from such an axis")
    return torch.flatten(tensor(step, x), 1)


def _axes(step: Step, axes: Value) -> list[int] | None:
    found = step.get("axes") if axes is None else numbers(step, axes)
    return [found] if isinstance(found, int) else found


def _squeeze(step: Step, x: Value, axes: Value = None) -> Value:
    if is_numbers(x):
        return x[0] if isinstance(x, list) and len(x) == 1 else x
    x, chosen = tensor(step, x), _axes(step, axes)
    if chosen is None:
        step.refuse("without axes")
    for axis in sorted((axis % int(x.dim()) for axis in chosen), reverse=True):
        x = x.squeeze(axis)
    return x


def _unsqueeze(step: Step, x: Value, axes: Value = None) -> Value:
    if is_numbers(x):
        return x if isinstance(x, list) else [x]
    x, chosen = tensor(step, x), _axes(step, axes) or []
    rank = int(x.dim()) + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def _transpose(step: Step, x: Value) -> Value:
    if isinstance(x, list):
        return [list(row) for row in zip(*x, strict=True)]
    x = tensor(step, x)
    return x.permute(step.get("perm") or list(range(int(x.dim())))[::-1])


def _concat(step: Step, *values: Value) -> Value:
    if not any(is_tensor(value) for value in values):
        return [part for value in values for part in sizes.flat(numbers(step, value))]
    return torch.cat([tensor(step, value) for value in values], step.get("axis"))


def _split(step: Step, x: Value, parts: Value = None) -> tuple[Any, ...]:
    axis, count = step.get("axis", 0), len(step.outputs)
    lengths = step.get("split") if parts is None else numbers(step, parts)
    if is_numbers(x):
        lengths = lengths or [len(x) // count] * count
        starts = [sum(lengths[:index]) for index in range(count)]
        return tuple(x[start : start + length] for start, length in zip(starts, lengths, strict=True))
    x = tensor(step, x)
    even = lengths is None or len(set(lengths)) == 1
    pieces = torch.chunk(x, count, axis) if even else torch.split(x, lengths, axis)
    return tuple(pieces[index] for index in range(count))


def _slice(step: Step, x: Value, *more: Value) -> Value:
    given = [None if value is None else numbers(step, value) for value in more] + [None] * (4 - len(more))
    old = [step.get("starts"), step.get("ends"), step.get("axes"), None]
    parts = sizes.slices(step, *(given if more else old))
    if is_numbers(x):
        return x[parts[0][1]]
    x = tensor(step, x)
    index = [slice(None)] * int(x.dim())
    for axis, part in parts:
        if part.step == -1:
            x = torch.flip(x, (axis,))
        else:
            index[axis] = part if part.step != 1 else slice(part.start, part.stop)
    while len(index) > 1 and index[-1] == slice(None):
        index.pop()
    return x if index == [slice(None)] else x[tuple(index)]


def _gather(step: Step, x: Value, index: Value) -> Value:
    axis = step.get("axis", 0)
    if isinstance(x, Constant):
        step.refuse("from a constant")
    chosen = numbers(step, index)
    if is_numbers(x):
        return sizes.picked(x, chosen)
    x = tensor(step, x)
    if isinstance(chosen, int):
        return x[(slice(None),) * (axis % int(x.dim())) + (chosen,)]
    if not isinstance(index, Constant) or index.tensor is None or index.tensor.dim() != 1:
        step.refuse("by such indices")
    return torch.index_select(x, axis, index.tensor)


def _expand(step: Step, x: Value, shape: Value) -> Value:
    wanted = numbers(step, shape)
    if not is_tensor(x):
        return sizes.each(lambda value, _: value, numbers(step, x), [0] * wanted[0] if len(wanted) == 1 else 0)
    return x.expand([-1 if type(side) is int and side == 1 else side for side in wanted])


def _tile(step: Step, x: Value, repeats: Value) -> Tensor:
    return tensor(step, x).repeat(numbers(step, repeats))


def _constant_of_shape(step: Step, shape: Value) -> Value:
    sides, filler = numbers(step, shape), step.get("value")
    value = 0.0 if filler is None else filler.reshape(-1)[0].item()
    if len(sides) > 1:
        step.refuse("of several axes")
    return [value] * int(sides[0]) if sides else value


def _range(step: Step, start: Value, limit: Value, by: Value) -> list[int]:
    return list(range(*(numbers(step, value) for value in (start, limit, by))))


def _pad(step: Step, x: Value, pads: Value = None, value: Value = None, axes: Value = None) -> Tensor:
    x, mode = tensor(step, x), step.get("mode", "constant")
    given = step.get("pads") if pads is None else numbers(step, pads)
    rank = int(x.dim())
    chosen = list(range(rank)) if axes is None else [axis % rank for axis in numbers(step, axes)]
    count = len(given) // 2
    by_axis = {axis: (given[i], given[i + count]) for i, axis in enumerate(chosen)}
    first = min((axis for axis, pair in by_axis.items() if pair != (0, 0)), default=rank)
    first = first if mode == "constant" else min(first, rank - 2)
    around = [side for axis in range(rank - 1, first - 1, -1) for side in by_axis.get(axis, (0, 0))]
    if mode == "constant":
        filler = step.get("value", 0.0) if value is None else numbers(step, value)
        return F.pad(x, around, value=sizes.flat(filler)[0]) if around else x
    if mode not in ("reflect", "edge"):
        step.refuse(f"of mode {mode}")
    return F.pad(x, around, mode="reflect" if mode == "reflect" else "replicate")


def _depth_to_space(step: Step, x: Value) -> Tensor:
    x, block = tensor(step, x), step.get("blocksize")
    if step.get("mode", "DCR") == "DCR":
        x = x.unflatten(1, (block * block, -1)).transpose(1, 2).flatten(1, 2)
    return F.pixel_shuffle(x, block)


def _space_to_depth(step: Step, x: Value) -> Value:
    block = step.get("blocksize")
    parts = F.pixel_unshuffle(tensor(step, x), block)
    return parts.unflatten(1, (-1, block * block)).transpose(1, 2).flatten(1, 2)


_MODES = {  # mode, coordinates -> torch's mode, align_corners; what differs by a rounding is held against ONNX Runtime
    ("nearest", "asymmetric"): ("nearest", None),
    ("nearest", "half_pixel"): ("nearest-exact", None),
    ("nearest", "pytorch_half_pixel"): ("nearest-exact", None),
    ("linear", "half_pixel"): ("bilinear", False),
    ("linear", "pytorch_half_pixel"): ("bilinear", False),
    ("linear", "align_corners"): ("bilinear", True),
    ("cubic", "half_pixel"): ("bicubic", False),
    ("cubic", "pytorch_half_pixel"): ("bicubic", False),
    ("cubic", "align_corners"): ("bicubic", True),
}


def _resize(step: Step, x: Value, *more: Value) -> Tensor:
    """Resize, and Upsample, which is Resize's older form."""
    if step.op == "Upsample" or len(more) == 1:  # operator sets 7 to 10
        coordinates, scales, wanted = "asymmetric", more[0] if more else None, None
    else:
        coordinates = step.get("coordinate_transformation_mode", "half_pixel")
        scales, wanted = more[1], more[2] if len(more) > 2 else None
    found = _MODES.get((step.get("mode", "nearest"), coordinates))
    if found is None:
        step.refuse(f"of mode {step.get('mode')}, {coordinates}")
    sides = None if wanted is None else numbers(step, wanted)[-2:]
    factors = step.get("scales") if scales is None or sides else numbers(step, scales)
    mode, align = found
    if sides is None and all(factor == int(factor) for factor in factors) and mode == "nearest-exact":
        mode = "nearest"  # the same for whole factors
    return F.interpolate(
        tensor(step, x), sides, None if sides else tuple(map(float, factors[-2:])), mode=mode, align_corners=align
    )


def _grid_sample(step: Step, x: Value, grid: Value) -> Tensor:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(step.get("mode", "linear"), step.get("mode", "bilinear"))
    edges, align = step.get("padding_mode", "zeros"), bool(step.get("align_corners", 0))
    return F.grid_sample(tensor(step, x), tensor(step, grid), mode, edges, align)


SHAPES: dict[str, Row] = {
    "Shape": _shape,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    "Tile": _tile,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Resize": _resize,
    "Upsample": _resize,
    "GridSample": _grid_sample,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda step, x: F.adaptive_avg_pool2d(tensor(step, x), 1),
    "GlobalMaxPool": lambda step, x: F.adaptive_max_pool2d(tensor(step, x), 1),
    "Identity": lambda step, x: x,
    "Dropout": lambda step, x, *_: x,
    "Size": lambda step, x: len(x) if isinstance(x, list) else tensor(step, x).numel(),
}
TUPLES = ("Split",)  # they give a tuple even of one output
