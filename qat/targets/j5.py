"""Horizon J5 by its plugin (march BAYES): what the documentation of OpenExplorer 1.1 says a network may contain.

Each row cites its line in HorizonRDK/rdk_x3_doc (commit cacb6e6), docs/toolchain_development/expert/note.md, of which
the Bayes columns count: "four axes everywhere" (line 428) is Bernoulli2's rule. An error is what a row excludes or what
is known to fail. What has no row, or is unclear there, is a warning that says so.
"""

from __future__ import annotations

from qat.targets import j5_layers as layers
from qat.targets import j5_limits as limits
from qat.targets.table import COMMON_RULES, IN_PLACE, Row, Target, table

INT8, INT8_16 = ("int8",), ("int8", "int16")
ANY = ("int8", "int16", "int32")
NOTE = "note.md"

BY_TABLE = {  # read from a table, each with its line; "as torch.acos" there
    **{"acos": 440, "acosh": 441, "asin": 445, "asinh": 446, "atan": 447, "atanh": 448, "cos": 453, "cosh": 454},
    **{"erf": 457, "exp": 458, "log": 468, "pow": 477, "reciprocal": 478, "selu": 479, "SELU": 479, "sin": 480},
    **{"sinh": 481, "sqrt": 483, "tan": 486, "elu": 517, "gelu": 518, "glu": 519, "GLU": 519, "hardsigmoid": 520},
    **{"leaky_relu": 523, "prelu": 530, "sigmoid": 534, "silu": 535, "softplus": 537, "Softplus": 537, "tanh": 539},
}
COMPARISONS = {  # giving bool
    **{"eq": 456, "ge": 461, "greater": 462, "greater_equal": 463, "gt": 464},
    **{"le": 465, "less": 466, "less_equal": 467, "lt": 469},
}
MOVES = {
    "split": 482,
    "expand": 566,
    "repeat": 576,
    "reshape": 577,
    "tile": 578,
    "pad_layer": 543,
    "abs": 439,
    "pad_replicate": 533,
}
SHUFFLES = {"channel_shuffle": 510, "pixel_shuffle": 528, "pixel_unshuffle": 529}
IDLE = {"dropout": 515, "identity": 521}

ROWS = table(
    Row("input", (limits.PYRAMID,), source=f"{NOTE}:551"),
    Row("output", source=f"{NOTE}:550"),
    Row("constant", source=f"{NOTE}:442"),
    Row("quant_stub", (), INT8_16, f"{NOTE}:551"),
    Row("dequant_stub", (limits.INT32_TAIL, limits.RELU_TAIL), ANY, f"{NOTE}:550"),
    *(Row(op, (limits.LOOKUP, IN_PLACE), INT8_16, f"{NOTE}:{line}") for op, line in BY_TABLE.items()),
    *(Row(op, (), INT8_16, f"{NOTE}:{line}") for op, line in COMPARISONS.items()),
    *(Row(op, (), INT8_16, f"{NOTE}:{line}") for op, line in (MOVES | SHUFFLES).items()),
    *(Row(op, (), ANY, f"{NOTE}:{line}") for op, line in IDLE.items()),
    *(Row(op, (), INT8_16, f"{NOTE}:431") for op in ("contiguous", "detach")),  # no operation of the device
    Row("add", limits.ARITHMETIC, INT8_16, f"{NOTE}:442"),
    Row("mul", limits.ARITHMETIC, INT8_16, f"{NOTE}:476"),
    Row("sub", (*limits.ARITHMETIC, limits.MINUEND), INT8_16, f"{NOTE}:484"),
    Row("div", (limits.INT16_ONLY, IN_PLACE), ("int16",), f"{NOTE}:455"),
    Row("maximum", (), INT8_16, f"{NOTE}:472"),
    Row("minimum", (), INT8_16, f"{NOTE}:475"),
    Row("cat", limits.CAT, INT8_16, f"{NOTE}:449"),
    Row("ceil", (limits.MAGNITUDE,), INT8_16, f"{NOTE}:450"),
    Row("floor", (limits.MAGNITUDE,), INT8_16, f"{NOTE}:459"),
    Row("clamp", (limits.CLAMP, IN_PLACE), INT8_16, f"{NOTE}:451"),
    Row("gather", (), ANY, f"{NOTE}:460"),
    Row("topk", (), ANY, f"{NOTE}:487"),
    Row("matmul", limits.MATMUL, INT8, f"{NOTE}:470"),
    Row("max", limits.INDEX, INT8_16, f"{NOTE}:471"),
    Row("min", limits.INDEX, INT8_16, f"{NOTE}:474"),
    Row("argmax", limits.INDEX, INT8_16, f"{NOTE}:443"),
    Row("argmin", limits.INDEX, INT8_16, f"{NOTE}:444"),
    Row("mean", limits.REDUCTION, INT8_16, f"{NOTE}:473"),
    Row("sum", limits.REDUCTION, INT8_16, f"{NOTE}:485"),
    Row("grid_sample", limits.GRID_SAMPLE, INT8, f"{NOTE}:495"),
    Row("interpolate", limits.INTERPOLATE, INT8, f"{NOTE}:496"),
    Row("pad", (limits.PAD,), INT8_16, f"{NOTE}:497"),
    Row("relu", (IN_PLACE,), INT8_16, f"{NOTE}:531"),
    Row("relu6", (IN_PLACE,), INT8_16, f"{NOTE}:532"),
    Row("adaptive_avg_pool2d", (limits.ADAPTIVE,), INT8, f"{NOTE}:506"),
    Row("avg_pool2d", limits.AVG_POOL, INT8, f"{NOTE}:507"),
    Row("max_pool2d", limits.MAX_POOL, INT8, f"{NOTE}:526"),
    Row("batch_norm", (layers.BATCH_NORM, layers.NORM_CHANNELS), INT8, f"{NOTE}:508"),
    Row("BatchNorm3d", (), INT8, f"{NOTE}:509"),
    Row("SyncBatchNorm", (layers.NORM_CHANNELS,), INT8, f"{NOTE}:538"),
    Row("conv2d", layers.CONV, INT8_16, f"{NOTE}:512"),
    Row("Conv3d", layers.CONV_3D, INT8, f"{NOTE}:513"),
    Row("conv_transpose2d", layers.CONV_TRANSPOSE, INT8, f"{NOTE}:514"),
    Row("linear", layers.LINEAR, INT8, f"{NOTE}:524"),
    Row("layer_norm", (limits.COMPOSITE, layers.NORM_SIZE), INT8, f"{NOTE}:522"),
    Row("softmax", (limits.COMPOSITE,), INT8, f"{NOTE}:536"),
    Row("LSTMCell", (), INT8_16, f"{NOTE}:525"),
    Row("MultiheadAttention", (limits.COMPOSITE,), INT8_16, f"{NOTE}:527"),
    Row("getitem", (limits.EMPTY_ROW,), ANY, f"{NOTE}:559"),
    Row("transpose", (limits.TRANSPOSE,), ANY, f"{NOTE}:560"),
    Row("roi_align", (), INT8, f"{NOTE}:589"),
)

J5 = Target(
    name="j5",
    rows=ROWS,
    everywhere=(),
    missing={
        "clone": "leave it out (rule identity)",
        "unsqueeze": "keep the axis in the reduction before it: keepdim=True (rule keepdim)",
        "rsub": "write (x + (-c)) * (-1) (rule constant_minuend)",
        "pad_reflect": "pad with a constant or by replication",
        "unbind": "index the tensor (x[:, 0:1]) or use torch.split",
        "squeeze": "keep four axes",
        "flatten": "use reshape, which has a row",
        "permute": "use transpose, which has a row",
        "chunk": "use torch.split, which has a row",
        "stack": "use torch.cat, which has a row",
        "neg": "write x * (-1) (rule negation)",
        "hardtanh": "use torch.clamp, which has a row",
        "hardswish": "write x * F.hardsigmoid(x) (rule gated_activation)",
        "adaptive_max_pool2d": "use nn.MaxPool2d, which has a row (rule adaptive_pool)",
    },
    fails={
        "unsqueeze": "the PIDNet-on-J5 walkthrough: in calibration",
        "rsub": limits.MINUEND.source,
        "pad_reflect": f"{NOTE}:497",
        "unbind": "user_guide.md:3819",
    },
    rules=COMMON_RULES | {"channel_shuffle", "gated_activation", "transposed_kernel"},
)
