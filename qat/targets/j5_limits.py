"""The limits of Horizon J5's operations, each with what to do about it; `j5` puts them in rows.

Source: HorizonRDK/rdk_x3_doc, docs/toolchain_development/expert/note.md, the columns for march BAYES.
"""

from __future__ import annotations

import math

from qat.targets.table import CONSTANT_SIZE, IN_PLACE, Call, Limit, at_most, numbers, warning

CONVS = ("conv2d", "conv_transpose2d")
SIDE = 65536
KERNEL_VALUES = 65535


def _axes(call: Call) -> set[int]:
    """The axes that a call's `dim` names, counted from 0."""
    return {int(dim) % max(len(call.inputs[0]), 1) for dim in numbers(call.args.get("dim"))}


def _moves_batch(call: Call) -> bool:
    axes = {int(dim) % 4 for name in ("dim0", "dim1") for dim in numbers(call.args[name])}
    return 0 in axes and len(axes) > 1


def _one_spreads(call: Call) -> bool:
    """Whether one operand has the result's shape already, so that only the other one is spread."""
    return len(call.inputs) < 2 or call.outputs[0] in call.inputs


def _one_batch(call: Call) -> bool:
    return len({shape[0] for shape in call.inputs if len(shape) == 4}) < 2


def _dilated_at_stride_1(call: Call) -> bool:
    return set(numbers(call.args["dilation"])) == {1} or set(numbers(call.args["stride"])) == {1}


def _kernel_covers_stride(call: Call) -> bool:
    kernel, stride = call.args["weight"][2:], numbers(call.args["stride"])
    return all(2 <= size <= 14 and size >= max(stride) for size in kernel)


EVERYWHERE = (
    Limit(
        "rank 4",
        lambda call: call.op == "constant" or all(len(shape) == 4 for shape in call.outputs),
        "its output {call.outputs} hasn't four axes",
        "keep four axes: keepdim=True, no squeeze, no flatten",
    ),
    Limit(
        "H, W and C at most 65536",
        lambda call: all(size <= SIDE for shape in call.outputs for size in shape[1:]),
        "its output {call.outputs} has a side above 65536",
        "use smaller tensors",
    ),
    Limit(
        "N at most 4096",
        lambda call: all(shape[0] <= 4096 for shape in call.outputs if shape),
        "its output {call.outputs} has a batch above 4096",
        "use smaller batches",
    ),
)

LOOKUP = warning("lookup table", "{call.op} is read from a table: accuracy", "compare its output after calibration")
COMPOSITE = warning(
    "composite", "{call.op} is put together from many int8 steps: accuracy", "apply it to the graph's output"
)

ARITHMETIC = (
    Limit(
        "one operand broadcasts",
        _one_spreads,
        "both operands {call.inputs} are broadcast",
        "expand one to the full shape",
    ),
    Limit(
        "no broadcast on N", _one_batch, "the operands' batches differ: {call.inputs}", "give both the same batch size"
    ),
    IN_PLACE,
)
INT16_ONLY = warning(
    "int16 only", "{call.op} runs in int16 only", "multiply by the reciprocal, or give it a 16-bit qconfig"
)

MINUEND = Limit(
    "constant minuend",
    lambda call: not isinstance(call.args["input"], int | float) and call.before != "constant",
    "a constant minus a tensor isn't replaced by the plugin",
    "write (x + (-c)) * (-1) (rule constant_minuend)",
)

INDEX = (
    Limit(
        "index only as an output",
        lambda call: set(call.after) <= {"output"},
        "{call.op} is read by {call.after}: an index may only be an output",
        "end the graph there",
    ),
    Limit(
        "axis 1",
        lambda call: call.args["dim"] is not None and _axes(call) == {1},
        "{call.op} along {dim}: only axis 1 is possible",
        "pass dim=1, keepdim=True",
    ),
    Limit(
        "C at most 64",
        lambda call: len(call.inputs[0]) != 4 or call.inputs[0][1] <= 64,
        "{call.op} over shape {call.inputs[0]}: more than 64 channels",
        "apply it to the graph's output",
    ),
)
REDUCTION = (
    Limit(
        "one axis, or H and W",
        lambda call: len(_axes(call)) == 1 or _axes(call) == {2, 3},
        "{call.op} over {dim}: only one axis, or height and width, is possible",
        "reduce one axis after the other",
    ),
    Limit(
        "keepdim",
        lambda call: bool(call.args["keepdim"]),
        "{call.op} drops its axis",
        "pass keepdim=True (rule keepdim)",
    ),
)

SIDES = Limit(
    "C, H and W at most 8192",
    lambda call: all(size <= 8192 for shape in call.inputs for size in shape[1:]),
    "an input of {call.inputs} has a side above 8192",
    "split it in two",
)
CONV = (
    Limit(
        "kernel at most 31",
        lambda call: max(call.args["weight"][2:]) <= 31,
        "a kernel of weight shape {weight} is above 31",
        "use a smaller one, or two layers in a row",
    ),
    Limit(
        "C at most 8192",
        lambda call: call.inputs[0][1] <= 8192,
        "its input {call.inputs[0]} has more than 8192 channels",
        "use fewer",
    ),
    Limit(
        "C*kh*kw at most 65535",
        lambda call: math.prod(call.args["weight"][1:]) <= KERNEL_VALUES,
        "one kernel of weight shape {weight} has more than 65535 values",
        "use fewer channels, groups or a smaller kernel",
    ),
    at_most("padding", 256),
    at_most("stride", 256),
    at_most("dilation", 16),
    Limit(
        "dilation at stride 1",
        _dilated_at_stride_1,
        "dilation {dilation} with stride {stride}",
        "dilate at stride 1 only",
    ),
)
CONV_TRANSPOSE = (
    Limit("N at most 128", lambda call: call.inputs[0][0] <= 128, "batch of {call.inputs[0]}", "use smaller batches"),
    Limit(
        "C at most 2048",
        lambda call: max(call.inputs[0][1], call.outputs[0][1]) <= 2048,
        "weight shape {weight} has more than 2048 channels",
        "use fewer",
    ),
    Limit(
        "kernel 2 to 14, at least the stride",
        _kernel_covers_stride,
        "weight shape {weight} with stride {stride}: a kernel lies in 2..14 and isn't below the stride",
        "use another kernel or stride, or interpolate and a convolution",
    ),
    at_most("stride", 14, "use interpolate and a convolution"),
    at_most("dilation", 1, "use dilation 1"),
    at_most("output_padding", 1, "use output_padding 0 or 1"),
)
LINEAR = (
    Limit(
        "features at most 8192",
        lambda call: max(call.args["weight"]) <= 8192,
        "weight shape {weight} has more than 8192 features",
        "use fewer, or split it in two",
    ),
)
BATCH_NORM = warning(
    "after a convolution",
    "BatchNorm after {call.before} runs as a convolution of its own, in int8; it is free only after a convolution",
    "none needed; a network with BatchNorm behind the convolutions is faster",
    lambda call: call.before in CONVS,
)

INTERPOLATE = (
    SIDES,
    Limit(
        "mode", lambda call: call.args["mode"] in ("nearest", "bilinear"), "mode {mode}", "use mode nearest or bilinear"
    ),
    Limit("corners", lambda call: not call.args["align_corners"], "align_corners=True", "use align_corners=False"),
    CONSTANT_SIZE,
    Limit(
        "recomputed factor",
        lambda call: call.args["scale_factor"] is None or bool(call.args["recompute_scale_factor"]),
        "scale_factor {scale_factor} without recompute_scale_factor",
        "give a size (rule interpolate_size) or recompute_scale_factor=True",
    ),
)
AVG_POOL = (at_most("kernel_size", 256), at_most("stride", 256), at_most("padding", 256))
MAX_POOL = (SIDES, at_most("kernel_size", 256), at_most("stride", 256), at_most("padding", 255))
ADAPTIVE = warning("emulated", "adaptive pooling is emulated: accuracy", "use fixed pooling (rule adaptive_pool)")

CAT = (
    Limit(
        "2 to 1024 inputs", lambda call: 2 <= len(call.inputs) <= 1024, "cat takes 2 to 1024 tensors", "split it in two"
    ),
    Limit("not on N", lambda call: _axes(call) != {0}, "it joins batches", "join along channels, height or width"),
)
GRID_SAMPLE = (
    Limit(
        "padding mode",
        lambda call: call.args["padding_mode"] in ("zeros", "border"),
        "padding_mode {padding_mode}",
        "use padding_mode zeros or border",
    ),
    Limit(
        "H and W at most 1024, H*W at most 720*1024",
        lambda call: max(call.inputs[0][2:]) <= 1024 and math.prod(call.inputs[0][2:]) <= 720 * 1024,
        "its input {call.inputs[0]} is larger than 720x1024",
        "sample a smaller picture",
    ),
)
PAD = Limit("mode", lambda call: call.args["mode"] != "reflect", "mode reflect", "use mode constant or replicate")
TRANSPOSE = Limit(
    "not N", lambda call: not _moves_batch(call), "it moves the batch axis", "swap channels, height and width only"
)

INT32_TAIL = warning(
    "int32 at the tail",
    "an output made by {call.before} is int8: only a convolution at the tail gives int32",
    "end the graph with a convolution",
    lambda call: call.before in (*CONVS, "relu", "relu6"),
)
RELU_TAIL = warning(
    "ReLU at the tail",
    "a convolution with a ReLU behind it can't give int32",
    "apply the last ReLU to the graph's output",
    lambda call: call.before not in ("relu", "relu6"),
)
PYRAMID = warning(
    "pyramid input",
    "shape {call.outputs[0]} can't come from the camera's `pyramid` (NV12): H and W must be even, W a multiple of 16",
    "feed it from `ddr`, or use another size",
    lambda call: all(shape[-2] % 2 == 0 and shape[-1] % 16 == 0 for shape in call.outputs if len(shape) == 4),
)
