"""Windows that slide over a picture: their padding, and pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from qat.models.onnx.step import Step, tensor

Pads = tuple[int, int, int, int]  # top, left, bottom, right


def symmetric(step: Step, kernel: Sequence[int]) -> tuple[int, int] | None:
    """Padding of both sides of each axis, where they are equal; None where they aren't."""
    pads = _fixed(step, kernel)
    return (pads[0], pads[1]) if pads and pads[:2] == pads[2:] else None


def _fixed(step: Step, kernel: Sequence[int]) -> Pads | None:
    """The padding, where it doesn't depend on the picture's size."""
    auto, stride, dilation = step.get("auto_pad", "NOTSET"), step.get("strides", [1, 1]), step.get("dilations", [1, 1])
    if auto == "NOTSET":
        top, left, bottom, right = step.get("pads", [0, 0, 0, 0])
        return top, left, bottom, right
    if auto == "VALID":
        return 0, 0, 0, 0
    if list(stride) != [1, 1]:
        return None
    rows, columns = (gap * (size - 1) for gap, size in zip(dilation, kernel, strict=True))
    return _same(auto, rows, columns)


def _same(auto: str, rows: int, columns: int) -> Pads:
    few, more = (rows // 2, columns // 2), (rows - rows // 2, columns - columns // 2)
    first, last = (few, more) if auto == "SAME_UPPER" else (more, few)
    return *first, *last


def pads_of(step: Step, x: Tensor, kernel: Sequence[int]) -> Pads:
    """The padding for the picture `x`."""
    fixed = _fixed(step, kernel)
    if fixed is not None:
        return fixed
    dilation = step.get("dilations", [1, 1])
    wanted = []
    for axis in (0, 1):
        size, stride = int(x.shape[2 + axis]), step.get("strides", [1, 1])[axis]
        window = dilation[axis] * (kernel[axis] - 1) + 1
        wanted.append(max((-(-size // stride) - 1) * stride + window - size, 0))
    return _same(step.get("auto_pad"), *wanted)


def padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """`x` with `value` around it."""
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def convolution_input(step: Step, x: Tensor, kernel: Sequence[int]) -> Tensor:
    """`x`, padded where the layer can't do it itself."""
    return x if symmetric(step, kernel) is not None else padded(x, pads_of(step, x, kernel))


def max_pool(step: Step, x: Tensor) -> Tensor:
    """MaxPool, of whose outputs only the first is known."""
    kernel, stride = step.get("kernel_shape"), step.get("strides", [1, 1])
    around = symmetric(step, kernel)
    if around is None or any(2 * pad > size for pad, size in zip(around, kernel, strict=True)):
        x, around = padded(tensor(step, x), pads_of(step, x, kernel), float("-inf")), (0, 0)
    return F.max_pool2d(x, kernel, stride, around, step.get("dilations", 1), bool(step.get("ceil_mode", 0)))


def average_pool(step: Step, x: Tensor) -> Tensor:
    """AveragePool."""
    kernel, stride = step.get("kernel_shape"), step.get("strides", [1, 1])
    counts, around = bool(step.get("count_include_pad", 0)), symmetric(step, kernel)
    if around is None:
        pads = pads_of(step, x, kernel)
        if any(pads) and not counts:
            step.refuse("whose padding differs from side to side")
        x, around = padded(x, pads), (0, 0)
    return F.avg_pool2d(x, kernel, stride, around, bool(step.get("ceil_mode", 0)), counts)
