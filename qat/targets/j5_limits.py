"""The limits of J5's operations on the plugin's road, each with what to do about it; `j5` puts them in rows.

A row's line in note.md is the source of its limits; a limit that comes from elsewhere names where.
"""

from __future__ import annotations

import math

from qat.targets.table import CONSTANT_SIZE, IN_PLACE, Call, Limit, at_most, numbers, unclear, warning

CONVS = ("conv2d", "conv_transpose2d")
VALUES = 65535  # of a weight, or of one kernel: the row says `weight_size`
OUTPUTS = ("output", "dequant_stub")
WALKTHROUGH = "inferred from the PIDNet-on-J5 walkthrough"


def axes(call: Call) -> set[int]:
    """The axes that a call's `dim` names, counted from 0; all of them where it names none."""
    rank = max(len(call.inputs[0]), 1)
    named = {int(dim) % rank for dim in numbers(call.args.get("dim"))}
    return named or set(range(rank))


def moves_batch(call: Call) -> bool:
    """Whether a transposition moves the first axis."""
    swapped = {int(dim) % len(call.inputs[0]) for name in ("dim0", "dim1") for dim in numbers(call.args[name])}
    return 0 in swapped and len(swapped) > 1


def one_spreads(call: Call) -> bool:
    """Whether one operand has the result's shape already, so that only the other one is spread."""
    return len(call.inputs) < 2 or call.outputs[0] in call.inputs


def one_batch(call: Call) -> bool:
    """Whether operands of four axes have one batch size."""
    return len({shape[0] for shape in call.inputs if len(shape) == 4}) < 2


def dilated_at_stride_1(call: Call) -> bool:
    """Whether a dilated convolution has stride 1."""
    return set(numbers(call.args["dilation"])) == {1} or set(numbers(call.args["stride"])) == {1}


def _kernel_covers_stride(call: Call) -> bool:
    kernel, stride = call.args["weight"][2:], numbers(call.args["stride"])
    return all(2 <= size <= 14 and size >= max(stride) for size in kernel)


def _pads_less_than_a_step(call: Call) -> bool:
    kernel, stride = call.args["weight"][2:], numbers(call.args["stride"])
    return all(pad <= size / max(stride) for size, pad in zip(kernel, _pair(call.args["padding"]), strict=True))


def _pair(value: object) -> tuple[float, ...]:
    given = numbers(value)
    return given * 2 if len(given) == 1 else given


def _added_at_stride_2(call: Call) -> bool:
    return call.after != ("add",) or _pair(call.args["stride"]) in ((1, 1), (2, 2))


def rank(count: int) -> Limit:
    """The row says [N, C, H, W], or another number of axes."""
    return Limit(
        f"rank {count}",
        lambda call: all(len(shape) == count for shape in call.inputs[:1]),
        f"its input {{call.inputs}} hasn't {count} axes, as the row says",
        "keep the axes: keepdim=True, reshape",
    )


def sides(bound: int) -> Limit:
    """C, H and W of every input."""
    return Limit(
        f"C, H and W at most {bound}",
        lambda call: all(size <= bound for shape in call.inputs for size in shape[1:]),
        f"an input of {{call.inputs}} has a side above {bound}",
        "split it in two",
    )


BATCH = Limit(
    "N at most 4096",
    lambda call: all(shape[0] <= 4096 for shape in call.inputs if shape),
    "an input of {call.inputs} has a batch above 4096",
    "use smaller batches",
)
RANK_4 = rank(4)

LOOKUP = warning("lookup table", "{call.op} is read from a table: accuracy", "compare its output after calibration")
COMPOSITE = warning(
    "composite", "{call.op} is put together from many int8 steps: accuracy", "apply it to the graph's output"
)
EMPTY_ROW = unclear("its row has nothing in Bayes' columns", "use torch.split, which has a row")
MAGNITUDE = warning(
    "magnitude", "{call.op} is exact up to 1e6 in int8 and 1e8 in int16", "none needed for smaller values"
)

ARITHMETIC = (
    Limit(
        "one operand broadcasts",
        one_spreads,
        "both operands {call.inputs} are broadcast",
        "expand one to the full shape",
    ),
    Limit(
        "no broadcast on N", one_batch, "the operands' batches differ: {call.inputs}", "give both the same batch size"
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
    source="the PIDNet-on-J5 walkthrough: an AttributeError",
)
CLAMP = Limit(
    "at most 10 axes",
    lambda call: all(len(shape) <= 10 for shape in call.inputs),
    "its input {call.inputs} has more than 10 axes",
    "reshape it",
    source="note.md:563",
)

INDEX = (
    Limit(
        "index only as an output",
        lambda call: set(call.after) <= {*OUTPUTS, "getitem"},
        "{call.op} is read by {call.after}: an index may only be an output",
        "end the graph there",
    ),
    BATCH,
    sides(65535),
)
REDUCTION = (
    Limit(
        "not N",
        lambda call: 0 not in axes(call),
        "{call.op} over {dim}: the batch can't be reduced",
        "reduce over channels, height and width",
    ),
    warning(
        "keepdim",
        "{call.op} drops its axis: fine before Linear or at the end; four axes are wanted elsewhere",
        "pass keepdim=True (rule keepdim)",
        lambda call: bool(call.args["keepdim"]),
    ),
)

MATMUL = (RANK_4, BATCH, sides(8192))
CAT = (
    RANK_4,
    BATCH,
    Limit(
        "2 to 1024 inputs", lambda call: 2 <= len(call.inputs) <= 1024, "cat takes 2 to 1024 tensors", "split it in two"
    ),
    sides(65536),  # the row's "HWC<=65536" means each: PIDNet's own, of 196608 values, compile
)
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

INTERPOLATE = (
    RANK_4,
    sides(8192),
    Limit(
        "mode", lambda call: call.args["mode"] in ("nearest", "bilinear"), "mode {mode}", "use mode nearest or bilinear"
    ),
    warning(
        "corners",
        "align_corners=True: the row takes False and None, and the vendor's Bayes example runs UpsamplingBilinear2d",
        "use align_corners=False",
        lambda call: not call.args["align_corners"],
    ),
    CONSTANT_SIZE,
    Limit(
        "recomputed factor",
        lambda call: call.args["scale_factor"] is None or bool(call.args["recompute_scale_factor"]),
        "scale_factor {scale_factor} without recompute_scale_factor",
        "give a size (rule interpolate_size) or recompute_scale_factor=True",
    ),
)
AVG_POOL = (at_most("kernel_size", 256), at_most("stride", 256), at_most("padding", 256))
MAX_POOL = (RANK_4, sides(8192), at_most("kernel_size", 256), at_most("stride", 256), at_most("padding", 255))
ADAPTIVE = warning("emulated", "adaptive pooling is emulated: accuracy", "use fixed pooling (rule adaptive_pool)")

GRID_SAMPLE = (
    RANK_4,
    Limit(
        "sampling mode",
        lambda call: call.args["mode"] in ("bilinear", "nearest"),
        "mode {mode}",
        "use mode bilinear or nearest",
    ),
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
    "not N", lambda call: not moves_batch(call), "it moves the batch axis", "swap channels, height and width only"
)

INT32_TAIL = warning(
    "int32 at the tail",
    "an output made by {call.before} is int8: a convolution or Linear at the tail can give 32 bits",
    "end the graph with a convolution or Linear",
    lambda call: call.before in (*CONVS, "linear", "relu", "relu6"),
)
RELU_TAIL = Limit(
    "ReLU at the tail",
    lambda call: call.before not in ("relu", "relu6"),
    "a convolution with a ReLU behind it can't give int32",
    "apply the last ReLU to the graph's output",
    "warning",
    WALKTHROUGH,
)
PYRAMID = warning(
    "pyramid input",
    "shape {call.outputs[0]} can't come from the camera's `pyramid` (NV12): H and W must be even, W a multiple of 16",
    "feed it from `ddr`, or use another size",
    lambda call: all(shape[-2] % 2 == 0 and shape[-1] % 16 == 0 for shape in call.outputs if len(shape) == 4),
)
