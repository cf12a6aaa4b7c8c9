"""x86 CPUs: what stays in int8 between QuantStub and DeQuantStub, in torch and in ONNX files.

Source: `torch.ao.quantization.backend_config.get_x86_backend_config()`, and the forms of `qat.compile.onnx`; a test
takes each spelling through all stages. torch chooses by spelling: `torch.add` has an int8 kernel, `Tensor.add` runs in
float.
"""

from __future__ import annotations

from qat.targets.table import IN_PLACE, Limit, Row, Target, table
from qat.targets.x86_limits import (
    ALPHA,
    BETWEEN,
    BOUNDS,
    DIVISOR,
    FOUR_AXES,
    INSIDE,
    MODE,
    NUMBERS,
    ONE_OUTPUT,
    REGULAR,
    STATISTICS,
    ZEROS,
    no_file,
    spelled,
)

IN_LAYER = "use a number, or put it into a layer: a convolution's bias adds, its weight multiplies"


def _row(op: str, *spellings: str, limits: tuple[Limit, ...] = ()) -> Row:
    return Row(op, (spelled(*spellings), *limits))


ROWS = table(
    Row("input"),
    Row("output", (ONE_OUTPUT,)),
    Row("constant", (no_file(IN_LAYER),)),
    Row("quant_stub"),
    Row("dequant_stub"),
    _row("conv2d", "nn.Conv2d", limits=(FOUR_AXES, ZEROS)),
    _row("conv_transpose2d", "nn.ConvTranspose2d", limits=(FOUR_AXES,)),
    _row("linear", "nn.Linear"),
    _row("batch_norm", "nn.BatchNorm2d", limits=(STATISTICS,)),
    _row("layer_norm", "nn.LayerNorm", "F.layer_norm", limits=(no_file("train with nn.BatchNorm2d"),)),
    _row("relu", "nn.ReLU", "F.relu", "Tensor.relu", limits=(IN_PLACE,)),
    _row("relu6", "nn.ReLU6", "F.relu6", limits=(IN_PLACE,)),
    _row("leaky_relu", "nn.LeakyReLU", "F.leaky_relu", limits=(IN_PLACE,)),
    _row("elu", "nn.ELU", "F.elu", limits=(IN_PLACE,)),
    _row("prelu", "nn.PReLU"),
    _row("hardswish", "nn.Hardswish", "F.hardswish", limits=(IN_PLACE,)),
    _row("hardsigmoid", "nn.Hardsigmoid", "F.hardsigmoid", limits=(IN_PLACE,)),
    _row("hardtanh", "nn.Hardtanh", "F.hardtanh", limits=(IN_PLACE,)),
    _row("clamp", "torch.clamp", "Tensor.clamp", limits=(BOUNDS,)),
    _row("sigmoid", "nn.Sigmoid", "torch.sigmoid", "Tensor.sigmoid"),
    _row("tanh", "nn.Tanh", "torch.tanh", "Tensor.tanh"),
    _row("softmax", "nn.Softmax"),
    _row("add", "operator.add", "torch.add", limits=(ALPHA,)),
    _row("mul", "operator.mul", "torch.mul"),
    _row("matmul", "torch.matmul"),
    _row("cat", "torch.cat"),
    _row("mean", "torch.mean", "Tensor.mean"),
    _row("avg_pool2d", "nn.AvgPool2d", "F.avg_pool2d", limits=(FOUR_AXES, DIVISOR)),
    _row("max_pool2d", "nn.MaxPool2d", "F.max_pool2d", limits=(FOUR_AXES, INSIDE)),
    _row("adaptive_avg_pool2d", "nn.AdaptiveAvgPool2d", "F.adaptive_avg_pool2d", limits=(FOUR_AXES, REGULAR)),
    _row("interpolate", "F.interpolate", limits=(FOUR_AXES, MODE, BETWEEN)),
    _row("pixel_shuffle", "nn.PixelShuffle", "torch.pixel_shuffle", limits=(FOUR_AXES,)),
    _row("pixel_unshuffle", "nn.PixelUnshuffle", "torch.pixel_unshuffle", limits=(FOUR_AXES,)),
    _row("squeeze", "torch.squeeze", "Tensor.squeeze"),
    _row("unsqueeze", "torch.unsqueeze", "Tensor.unsqueeze"),
    _row("reshape", "Tensor.reshape"),
    _row("flatten", "torch.flatten"),
    _row("permute", "Tensor.permute"),
    _row("transpose", "torch.transpose", "Tensor.transpose"),
    _row("repeat", "Tensor.repeat"),
    _row("contiguous", "Tensor.contiguous"),
    _row("detach", "Tensor.detach"),
)

X86 = Target(
    name="x86",
    rows=ROWS,
    everywhere=(NUMBERS,),
    missing={
        "sum": "sum channels with keepdim=True: it becomes a 1x1 convolution of ones (rule channel_sum)",
        "sub": "write a + b * (-1) (rules constant_minuend, subtraction)",
        "rsub": "write (x + (-c)) * (-1) (rule constant_minuend)",
        "neg": "write x * (-1) (rule negation)",
        "div": "multiply by the reciprocal",
        "argmax": "apply it to the graph's output",
        "silu": "train with nn.Hardswish",
        "gelu": "train with nn.Hardswish or nn.ReLU",
        "dropout": "it is idle in eval mode (rule identity)",
        "identity": "remove it (rule identity)",
        "pad": "use the padding of the convolution or pooling behind it",
        "adaptive_max_pool2d": "use nn.MaxPool2d (rule adaptive_pool)",
        "chunk": "use two convolutions with half the channels each",
    },
    rules=frozenset(
        {
            "in_place",
            "identity",
            "constant_sizes",
            "interpolate_size",
            "spelling",
            "keepdim",
            "reshape_pair",
            "constant_minuend",
            "negation",
            "subtraction",
            "adaptive_pool",
            "spatial_mean",
            "channel_sum",
            "pool_convolution",
            "norm_into_sum",
            "shared_interpolation",
            "quant_stub",
            "dequant_stub",
        }
    ),
)
