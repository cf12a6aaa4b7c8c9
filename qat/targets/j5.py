"""Horizon J5 (march BAYES), what its documentation of 2023 (OpenExplorer 1.1) says a model may contain.

An operation without a row isn't on the device. Errors don't compile; warnings cost accuracy or time.
"""

from __future__ import annotations

from qat.targets import j5_limits as limits
from qat.targets.table import COMMON_RULES, IN_PLACE, Row, Target, table

INT8_16 = ("int8", "int16")
IN_ORDER = (
    "reshape",
    "getitem",
    "split",
    "expand",
    "repeat",
    "pixel_shuffle",
    "pixel_unshuffle",
    "pad_layer",
    "channel_shuffle",
)
PLAIN = (*IN_ORDER, "pad_replicate", "abs", "identity", "dropout", "contiguous", "detach")
TABLES = ("sigmoid", "tanh", "exp", "log", "sqrt", "pow", "silu", "gelu", "leaky_relu", "prelu", "elu", "hardsigmoid")

ROWS = table(
    Row("input", (limits.PYRAMID,)),
    Row("output"),
    Row("constant"),
    Row("quant_stub"),
    Row("dequant_stub", (limits.INT32_TAIL, limits.RELU_TAIL)),
    Row("conv2d", limits.CONV),
    Row("conv_transpose2d", limits.CONV_TRANSPOSE),
    Row("linear", limits.LINEAR),
    Row("batch_norm", (limits.BATCH_NORM,)),
    Row("relu", (IN_PLACE,), INT8_16),
    Row("relu6", (IN_PLACE,), INT8_16),
    Row("clamp", (IN_PLACE,), INT8_16),
    *(Row(op, (limits.LOOKUP, IN_PLACE), INT8_16) for op in TABLES),
    Row("softmax", (limits.COMPOSITE,)),
    Row("layer_norm", (limits.COMPOSITE,)),
    Row("add", limits.ARITHMETIC, INT8_16),
    Row("sub", (*limits.ARITHMETIC, limits.MINUEND), INT8_16),
    Row("mul", limits.ARITHMETIC, INT8_16),
    Row("div", (*limits.ARITHMETIC, limits.INT16_ONLY), ("int16",)),
    Row("maximum", (), INT8_16),
    Row("minimum", (), INT8_16),
    Row("matmul", (limits.SIDES,)),
    Row("cat", limits.CAT, INT8_16),
    Row("sum", limits.REDUCTION, INT8_16),
    Row("mean", limits.REDUCTION, INT8_16),
    Row("max", limits.INDEX, INT8_16),
    Row("argmax", limits.INDEX, INT8_16),
    Row("avg_pool2d", limits.AVG_POOL),
    Row("max_pool2d", limits.MAX_POOL),
    Row("adaptive_avg_pool2d", (limits.ADAPTIVE,)),
    Row("interpolate", limits.INTERPOLATE),
    Row("grid_sample", limits.GRID_SAMPLE),
    Row("pad", (limits.PAD,), INT8_16),
    Row("transpose", (limits.TRANSPOSE,), INT8_16),
    *(Row(op, (), INT8_16) for op in PLAIN),
)

J5 = Target(
    name="j5",
    rows=ROWS,
    everywhere=limits.EVERYWHERE,
    missing={
        "clone": "leave it out (rule identity)",
        "unsqueeze": "keep the axis in the reduction before it: keepdim=True (rule keepdim)",
        "squeeze": "keep four axes",
        "flatten": "keep four axes, or use reshape",
        "permute": "use transpose",
        "chunk": "use torch.split",
        "stack": "use torch.cat",
        "rsub": "write (x + (-c)) * (-1) (rule constant_minuend)",
        "neg": "write x * (-1) (rule negation)",
        "pad_reflect": "pad with a constant or by replication",
        "hardtanh": "use torch.clamp",
        "hardswish": "write x * F.hardsigmoid(x) (rule gated_activation)",
        "adaptive_max_pool2d": "use nn.MaxPool2d (rule adaptive_pool)",
    },
    rules=COMMON_RULES | {"channel_shuffle", "gated_activation", "transposed_kernel"},
)
