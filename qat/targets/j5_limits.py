"""The limits of J5's operations on the plugin's road, each with what to do about it; `j5` puts them in rows.

A row's line in note.md is the source of its limits; a limit that comes from elsewhere names where.
"""

from __future__ import annotations

import math

from qat.targets.table import CONSTANT_SIZE, IN_PLACE, Call, Limit, at_most, numbers, unclear, warning

CONVS = ("conv2d", "conv_transpose2d")
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
