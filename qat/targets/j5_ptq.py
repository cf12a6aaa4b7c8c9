"""Horizon J5 by hb_mapper, the post-training tool (march bayes): what its operator list says of ONNX networks.

Each row cites its line in HorizonRDK/rdk_x3_doc (commit cacb6e6),
docs/toolchain_development/intermediate/supported_op_list.md, the part on RDK Ultra (march bayes). What breaks a
constraint there, or has no row, falls back to the ARM CPU (line 27): slow, never an error, so all of it is a warning.
"""

from __future__ import annotations

import math
from dataclasses import replace

from qat.targets import j5_layers as layers
from qat.targets import j5_limits as limits
from qat.targets.table import COMMON_RULES, Call, Limit, Row, Target, at_most, numbers, table, warning

INT8, INT8_16 = ("int8",), ("int8", "int16")
LIST = "supported_op_list.md"
CPU = "it falls back to the ARM CPU"


def on_cpu(limit: Limit) -> Limit:
    """A limit whose breach moves the operation to the CPU."""
    return replace(limit, severity="warning", message=f"{limit.message}: {CPU}")


def _ranks(low: int, high: int) -> Limit:
    return warning(
        f"{low} to {high} axes",
        f"its inputs {{call.inputs}} haven't {low} to {high} axes: {CPU}",
        "reshape them",
        lambda call: all(low <= len(shape) <= high for shape in call.inputs),
    )


def _one_axis(call: Call) -> bool:
    axes = limits.axes(call)
    return len(axes) == 1 or axes == {2, 3}


def _one_mean(call: Call) -> bool:
    return len(limits.axes(call)) == 1


def _divided(call: Call) -> bool:
    steps = [int(value) for value in numbers(call.args["dilation"])]
    return all(side % step == 0 for side, step in zip(call.inputs[0][2:], (steps[0], steps[-1]), strict=True))


FOUR = _ranks(4, 4)
TO_TEN, TO_FIVE = _ranks(1, 10), _ranks(2, 5)
RUNS_ON_CPU = warning("CPU", f"{{call.op}} has no BPU row: {CPU}", "write it with operations that have one")
NEGATION = warning("CPU", f"neg has no BPU row: {CPU}", "write x * (-1) (rule negation)")
BY_DEFAULT = warning(
    "CPU by default", "{call.op} runs on the CPU unless run_on_bpu names it", "name its node in hb_mapper.yaml"
)
ONE_CONSTANT = warning(
    "no constant",
    f"{{call.op}} takes two computed tensors: {CPU}",
    "multiply by the reciprocal",
    lambda call: len(call.inputs) == 2 and call.before != "constant",
)
NOT_ON_N = on_cpu(
    Limit("not on N", lambda call: 0 not in limits.axes(call), "it works along the batch", "use another axis")
)
INDEX = (
    FOUR,
    warning("axis 1", f"{{call.op}} along {{dim}}: {CPU}", "pass dim=1", lambda call: limits.axes(call) == {1}),
    warning(
        "C at most 64",
        f"{{call.op}} over {{call.inputs[0]}}: {CPU}",
        "leave it to the host",
        lambda call: call.inputs[0][1] <= 64,
    ),
)
SUM = warning("one axis", f"{{call.op}} over {{dim}}: {CPU}", "reduce one axis after the other", _one_mean)
MEAN = warning("one axis, or H and W", f"{{call.op}} over {{dim}}: {CPU}", "reduce one axis after the other", _one_axis)
KEEPDIM = warning(
    "keepdim",
    f"{{call.op}} drops its axis: {CPU}",
    "pass keepdim=True (rule keepdim)",
    lambda call: bool(call.args["keepdim"]),
)
CONV = (
    on_cpu(layers.KERNEL),
    on_cpu(layers.CHANNELS),
    on_cpu(
        Limit(
            "C*kh*kw at most 65535",
            lambda call: math.prod(call.args["weight"][1:]) <= layers.VALUES,
            "one kernel of weight shape {weight} has more than 65535 values",
            "use fewer channels, groups or a smaller kernel",
        )
    ),
    on_cpu(at_most("padding", 256)),
    on_cpu(at_most("stride", 256)),
    on_cpu(at_most("dilation", 16)),
    on_cpu(layers.DILATED),
    warning(
        "sides that dilation divides",
        f"dilation {{dilation}} of {{call.inputs[0]}}: {CPU}",
        "choose sides that it divides",
        _divided,
    ),
)


NEAREST = warning(
    "nearest by powers of two",
    f"nearest from {{call.inputs[0]}} to {{call.outputs[0]}}: {CPU}",
    "scale by 2, 4, 8, ..., no more in height than in width",
    lambda call: call.args["mode"] != "nearest" or _grows_evenly(call),
)


def _grows_evenly(call: Call) -> bool:
    factors = [new / old for old, new in zip(call.inputs[0][2:], call.outputs[0][2:], strict=True)]
    return factors[0] <= factors[1] and all(factor >= 1 and math.log2(factor).is_integer() for factor in factors)


MODE = warning(
    "mode",
    f"mode {{mode}}: {CPU}",
    "use nearest or bilinear",
    lambda call: call.args["mode"] in ("nearest", "bilinear"),
)
PAD = warning("mode", f"mode {{mode}}: {CPU}", "pad with a constant", lambda call: call.args["mode"] == "constant")
BLOCKS = warning(
    "blocks of 2",
    f"{{call.op}} by another factor than 2: {CPU}",
    "use 2",
    lambda call: 2 in (call.args.get("upscale_factor"), call.args.get("downscale_factor")),
)
SIDES = on_cpu(limits.sides(8192))
POOL = tuple(on_cpu(at_most(name, 256)) for name in ("kernel_size", "stride", "padding"))

ELEMENTWISE = {  # of 1 to 10 axes
    **{"abs": 308, "atan": 317, "ceil": 323, "clamp": 324, "relu6": 324, "hardtanh": 324, "cos": 334, "elu": 343},
    **{"exp": 346, "floor": 350, "hardsigmoid": 360, "leaky_relu": 369, "log": 372, "pow": 393, "reciprocal": 403},
    **{"sigmoid": 433, "sin": 435, "softplus": 440, "Softplus": 440, "sqrt": 445, "tanh": 451},
}
ARITHMETIC = {"add": 311, "mul": 385, "sub": 448}
MOVES = {  # of any shape, or constants by the time it runs
    **{
        "getitem": 438,
        "reshape": 415,
        "flatten": 349,
        "channel_shuffle": 415,
        "squeeze": 446,
        "unsqueeze": 458,
        "transpose": 456,
    },
    **{"permute": 456, "expand": 347, "repeat": 454, "topk": 455, "gather": 353, "dropout": 341, "identity": 341},
    **{
        "constant": 328,
        "quant_stub": 27,
        "dequant_stub": 27,
        "contiguous": 27,
        "detach": 27,
        "input": 27,
        "output": 27,
    },
}
COMPARISONS = {"eq": 344, "gt": 359, "greater": 359, "lt": 370, "less": 370}
CPU_ROWS = {
    "pad_replicate": 392,
    "prelu": 391,
    "erf": 345,
    "selu": 424,
    "SELU": 424,
    "round": 419,
    "sign": 434,
    "amin": 410,
    "where": 460,
}

ROWS = table(
    *(Row(op, (TO_TEN,), INT8_16, f"{LIST}:{line}") for op, line in ELEMENTWISE.items()),
    *(Row(op, (TO_FIVE, on_cpu(limits.ARITHMETIC[1])), INT8_16, f"{LIST}:{line}") for op, line in ARITHMETIC.items()),
    *(Row(op, (), INT8_16, f"{LIST}:{line}") for op, line in MOVES.items()),
    *(Row(op, (TO_FIVE, BY_DEFAULT), INT8_16, f"{LIST}:{line}") for op, line in COMPARISONS.items()),
    *(Row(op, (RUNS_ON_CPU,), INT8, f"{LIST}:{line}") for op, line in CPU_ROWS.items()),
    Row("neg", (NEGATION,), INT8, f"{LIST}:387"),
    Row("silu", (TO_TEN,), INT8_16, f"{LIST}:433"),  # x * sigmoid(x) in ONNX
    Row("hardswish", (TO_TEN,), INT8_16, f"{LIST}:360"),  # x * hardsigmoid(x)
    Row("div", (ONE_CONSTANT,), INT8_16, f"{LIST}:340"),
    Row("maximum", (TO_FIVE,), INT8_16, f"{LIST}:379"),
    Row("minimum", (TO_FIVE, BY_DEFAULT), INT8_16, f"{LIST}:383"),
    Row("relu", (), INT8_16, f"{LIST}:414"),
    Row("conv2d", (FOUR, *CONV), INT8_16, f"{LIST}:330"),
    Row("conv_transpose2d", tuple(map(on_cpu, layers.CONV_TRANSPOSE)), INT8, f"{LIST}:333"),
    Row("linear", (on_cpu(layers.LINEAR[0]),), INT8, f"{LIST}:355"),
    Row("batch_norm", (), INT8, f"{LIST}:320"),
    Row("avg_pool2d", (FOUR, *POOL), INT8, f"{LIST}:319"),
    Row("max_pool2d", (FOUR, *POOL), INT8_16, f"{LIST}:380"),
    Row("adaptive_avg_pool2d", (FOUR,), INT8, f"{LIST}:356"),
    Row("interpolate", (FOUR, MODE, NEAREST), INT8, f"{LIST}:416"),
    Row("grid_sample", (FOUR, *map(on_cpu, limits.GRID_SAMPLE[1:])), INT8, f"{LIST}:467"),
    Row("pad", (PAD,), INT8_16, f"{LIST}:392"),
    Row("pad_layer", (), INT8_16, f"{LIST}:392"),
    Row("cat", (NOT_ON_N,), INT8_16, f"{LIST}:326"),
    Row("split", (NOT_ON_N,), INT8_16, f"{LIST}:443"),
    Row("chunk", (NOT_ON_N,), INT8_16, f"{LIST}:443"),
    Row("matmul", (SIDES,), INT8, f"{LIST}:378"),
    Row("softmax", (FOUR, BY_DEFAULT), INT8_16, f"{LIST}:439"),
    Row("sum", (TO_FIVE, SUM), INT8_16, f"{LIST}:412"),
    Row("mean", (TO_FIVE, MEAN, KEEPDIM), INT8_16, f"{LIST}:409"),
    Row("amax", (TO_FIVE, SUM, KEEPDIM), INT8_16, f"{LIST}:408"),
    Row("argmax", INDEX, INT8_16, f"{LIST}:313"),
    Row("argmin", INDEX, INT8_16, f"{LIST}:314"),
    Row("pixel_shuffle", (BLOCKS,), INT8, f"{LIST}:337"),
    Row("pixel_unshuffle", (BLOCKS,), INT8, f"{LIST}:442"),
)

J5_PTQ = Target(
    name="j5_ptq",
    rows=ROWS,
    everywhere=(
        on_cpu(limits.BATCH),
        on_cpu(limits.sides(65536)),
    ),
    missing={"clone": "leave it out (rule identity)"},
    fails={},
    rules=COMMON_RULES,
)
