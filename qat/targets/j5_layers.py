"""The limits of J5's layers with weights, and of norms, on the plugin's road; `j5` puts them in rows."""

from __future__ import annotations

import math

from qat.targets.j5_limits import CONVS, OUTPUTS, RANK_4, rank
from qat.targets.table import Call, Limit, at_most, numbers, pair, unclear, warning

VALUES = 65535  # of a weight, or of one kernel: the row says `weight_size`


def dilated_at_stride_1(call: Call) -> bool:
    """Whether a dilated convolution has stride 1."""
    return set(numbers(call.args["dilation"])) == {1} or set(numbers(call.args["stride"])) == {1}


def _kernel_covers_stride(call: Call) -> bool:
    kernel, stride = call.args["weight"][2:], numbers(call.args["stride"])
    return all(2 <= size <= 14 and size >= max(stride) for size in kernel)


def _pads_less_than_a_step(call: Call) -> bool:
    kernel, stride = call.args["weight"][2:], numbers(call.args["stride"])
    return all(pad <= size / max(stride) for size, pad in zip(kernel, pair(call.args["padding"]), strict=True))


def _added_at_stride_2(call: Call) -> bool:
    return call.after != ("add",) or pair(call.args["stride"]) in ((1, 1), (2, 2))


KERNEL = Limit(
    "kernel at most 31",
    lambda call: max(call.args["weight"][2:]) <= 31,
    "a kernel of weight shape {weight} is above 31",
    "use a smaller one, or two layers in a row",
)
CHANNELS = Limit(
    "C at most 8192",
    lambda call: call.inputs[0][1] <= 8192,
    "its input {call.inputs[0]} has more than 8192 channels",
    "use fewer",
)
NORM_CHANNELS = Limit(
    "C at most 8192 alone",
    lambda call: call.before in CONVS or call.inputs[0][1] <= 8192,
    "its input {call.inputs[0]} has more than 8192 channels, and it runs as a convolution",
    "use fewer",
)
KERNEL_SIZE = unclear(
    "the row says weight_size < 65535, here taken for one kernel's values, and weight {weight} has more",
    "use fewer channels, groups or a smaller kernel",
    lambda call: math.prod(call.args["weight"][1:]) < VALUES,
    "kernel's values",
)
DILATED = Limit(
    "dilation at stride 1",
    dilated_at_stride_1,
    "dilation {dilation} with stride {stride}",
    "dilate at stride 1 only",
)
CONV = (
    KERNEL,
    CHANNELS,
    Limit(
        "output C at most 8192",
        lambda call: call.outputs[0][1] <= (16384 if set(call.after) <= {*OUTPUTS} else 8192),
        "its output {call.outputs[0]} has more than 8192 channels (16384 at the network's end)",
        "use fewer",
    ),
    KERNEL_SIZE,
    at_most("padding", 256),
    at_most("dilation", 16),
    DILATED,
    Limit(
        "fused add at stride 1 or 2",
        _added_at_stride_2,
        "stride {stride} before an addition, which is fused",
        "use stride 1 or 2",
    ),
)
CONV_3D = (rank(5),)
CONV_TRANSPOSE = (
    RANK_4,
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
    Limit(
        "padding at most kernel / stride",
        _pads_less_than_a_step,
        "padding {padding} of weight shape {weight} with stride {stride}",
        "pad less",
    ),
    KERNEL_SIZE,
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
    "BatchNorm after {call.before} is a layer of its own, with a convolution's limits; it is free only after one",
    "none needed; a network with BatchNorm behind the convolutions is faster",
    lambda call: call.before in CONVS,
)
NORM_SIZE = Limit(
    "H*W at most 16384",
    lambda call: math.prod(call.inputs[0][-2:]) <= 16384,
    "its input {call.inputs[0]} has more than 16384 values of height and width",
    "normalise a smaller tensor",
)
