"""Target x86: what torch's int8 kernels and the files take, each limit with what to do about it."""

from __future__ import annotations

from qat.targets.table import COMMON_RULES, IN_PLACE, Call, Limit, Row, Target, computed, numbers, table

NO_FILE = "no file"


def spelled(*spellings: str) -> Limit:
    """The spellings that torch has int8 kernels for."""
    return Limit(
        "spelling",
        lambda call: call.spelling in spellings,
        "written as {call.spelling} it runs in float: torch dequantises before it",
        f"write it as {' or '.join(spellings)} (rules spelling, in_place)",
    )


def no_file(fix: str) -> Limit:
    """An operation that torch has in int8, and no file."""
    return Limit(NO_FILE, lambda call: False, "no ONNX file here holds {call.op}", fix)


ALPHA = Limit(
    "alpha",
    lambda call: call.args["alpha"] == 1,
    "alpha {alpha} scales one operand, which int8 kernels don't",
    "multiply the operand first",
)
NUMBERS = Limit(
    "constant settings",
    lambda call: not any(map(computed, call.args.values())),
    "a number that it takes is computed while the graph runs, and files hold numbers",
    "give numbers (rule constant_sizes); for the batch -1, or flatten(1)",
)
FOUR_AXES = Limit(
    "four axes",
    lambda call: len(call.inputs[0]) == 4,
    "its input {call.inputs[0]} hasn't four axes",
    "keep (N, C, H, W)",
)
MODE = Limit(
    "mode",
    lambda call: call.args["mode"] in ("nearest", "nearest-exact", "bilinear") and not call.args["antialias"],
    "mode {mode} with antialias {antialias} has no int8 kernel",
    "use mode nearest or bilinear without antialias",
)

BETWEEN = Limit(
    "size",
    lambda call: call.args["scale_factor"] is None,
    "by the factor {scale_factor} it samples otherwise than to a size, which no file can say",
    "give a size (rule interpolate_size)",
)
BOUNDS = Limit(
    "bounds",
    lambda call: all(isinstance(call.args[side], int | float | None) for side in ("min", "max")),
    "its limits {min}, {max} are tensors",
    "give numbers",
)
ZEROS = Limit(
    "padding mode",
    lambda call: call.args.get("padding_mode", "zeros") == "zeros",
    "padding_mode {padding_mode} isn't in any file",
    "use padding_mode zeros",
)
BOTH_SIDES = Limit(
    "padding",
    lambda call: not isinstance(call.args["padding"], str),
    "padding {padding!r} of an even kernel adds more on one side",
    "use an odd kernel (rule same_padding)",
)
STATISTICS = Limit(
    "running statistics",
    lambda call: bool(call.args.get("track_running_stats", True)),
    "it normalises by each batch's statistics",
    "use track_running_stats=True",
)
DIVISOR = Limit(
    "divisor",
    lambda call: call.args["divisor_override"] is None,
    "divisor_override {divisor_override} isn't in any file",
    "leave it out, multiply by a number behind it",
)
REGULAR = Limit(
    "one window",
    lambda call: call.outputs[0][2:] == (1, 1),
    "its windows from {call.inputs[0]} to {call.outputs[0]} can't be told in a file",
    "use an output size that divides its input's evenly (rule adaptive_pool)",
)


def _stays_inside(call: Call) -> bool:
    """Whether no side of a pooling reads a whole kernel of padding, as ceil_mode may with dilation."""
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (_pair(call.args[name]) for name in names)
    sizes = zip(call.inputs[0][2:], call.outputs[0][2:], kernel, stride or kernel, padding, dilation, strict=False)
    return all((n - 1) * s + d * (k - 1) + 1 - old - p < k for old, n, k, s, p, d in sizes)


def _pair(value: object) -> tuple[float, ...]:
    sides = numbers(value)
    return sides * 2 if len(sides) == 1 else sides


INSIDE = Limit(
    "ceil_mode",
    _stays_inside,
    "with dilation {dilation} its last window reads a whole kernel of padding, which files don't have",
    "leave out ceil_mode",
)
ONE_OUTPUT = Limit(
    "one output",
    lambda call: len(call.inputs) == 1,
    "the network has {call.inputs}: files are written for one output, the logits",
    "build the form for prediction, with one output",
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
    _row("conv2d", "nn.Conv2d", limits=(FOUR_AXES, ZEROS, BOTH_SIDES)),
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
        "div": "multiply by the reciprocal (rule reciprocal)",
        "expand": "leave it out where add or mul broadcasts (rule broadcast)",
        "argmax": "apply it to the graph's output",
        "silu": "train with nn.Hardswish",
        "gelu": "train with nn.Hardswish or nn.ReLU",
        "dropout": "it is idle in eval mode (rule identity)",
        "identity": "remove it (rule identity)",
        "clone": "leave it out (rule identity)",
        "pad": "use the padding of the convolution or pooling behind it",
        "adaptive_max_pool2d": "use nn.MaxPool2d (rule adaptive_pool)",
        "chunk": "use two convolutions with half the channels each",
    },
    rules=COMMON_RULES
    | {"broadcast", "late_expand", "spelling", "subtraction", "spatial_mean", "channel_sum", "pool_convolution"},
)
