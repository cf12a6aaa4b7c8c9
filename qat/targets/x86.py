"""Target x86: what the program and the files take, each limit with what to do about it; torch.ao's are warnings."""

from __future__ import annotations

from qat.targets.table import COMMON_RULES, IN_PLACE, Call, Limit, Row, Target, computed, pair, table, warning


def spelled(*spellings: str) -> Limit:
    """The spellings that torch.ao has int8 kernels for; the program takes any."""
    return warning(
        "spelling",
        "written as {call.spelling} torch.ao dequantises before it; the program doesn't",
        f"write it as {' or '.join(spellings)} (rules spelling, in_place)",
        lambda call: call.spelling in spellings,
    )


NUMBERS = Limit(
    "constant settings",
    lambda call: not any(map(computed, call.args.values())),
    "a number that it takes is computed from the pixels, and programs and files hold numbers",
    "give a number",
)
FOUR_AXES = Limit(
    "four axes",
    lambda call: len(call.inputs[0]) == 4,
    "its input {call.inputs[0]} hasn't four axes",
    "keep (N, C, H, W)",
)
MODE = Limit(
    "mode",
    lambda call: call.args["mode"] in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    "mode {mode} isn't in any file",
    "use nearest, bilinear, bicubic or area",
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
LAYER = Limit(
    "a layer",
    lambda call: call.spelling.startswith("nn."),
    "written as {call.spelling} its tensors are no layer's",
    "use nn.BatchNorm2d (rule functional_norm)",
)
STATISTICS = Limit(
    "running statistics",
    lambda call: bool(call.args.get("track_running_stats", True)),
    "it normalises by each batch's statistics",
    "use track_running_stats=True",
)


def _stays_inside(call: Call) -> bool:
    """Whether no side of a pooling reads a whole kernel of padding, as ceil_mode may with dilation."""
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (pair(call.args[name]) for name in names)
    sizes = zip(call.inputs[0][2:], call.outputs[0][2:], kernel, stride or kernel, padding, dilation, strict=False)
    return all((n - 1) * s + d * (k - 1) + 1 - old - p < k for old, n, k, s, p, d in sizes)


OFF = Limit(
    "off",
    lambda call: call.spelling.startswith("nn.") or not call.args["training"],
    "it drops values in eval mode too",
    "pass training=self.training",
)
INSIDE = Limit(
    "ceil_mode",
    _stays_inside,
    "with dilation {dilation} its last window reads a whole kernel of padding, which files don't have",
    "leave out ceil_mode",
)


def _row(op: str, *spellings: str, limits: tuple[Limit, ...] = ()) -> Row:
    return Row(op, (spelled(*spellings), *limits))


ANYHOW = (
    *("silu", "mish", "gelu", "softplus", "softsign", "logsigmoid", "celu", "selu"),
    *("hardshrink", "softshrink", "tanhshrink", "exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "pow"),
    *("abs", "neg", "sign", "round", "floor", "ceil", "erf", "sin", "cos"),
    *("sub", "rsub", "div", "maximum", "minimum", "max", "min", "einsum", "attention"),
    *("group_norm", "instance_norm", "rms_norm", "normalize", "norm", "sum", "amax", "amin", "argmax", "argmin"),
    *("stack", "getitem", "narrow", "select", "index_select", "chunk", "split", "tensor_split", "unbind"),
    *("pad", "pad_layer", "pad_reflect", "pad_replicate", "flip", "roll", "channel_shuffle", "movedim", "unflatten"),
    *("expand", "expand_as", "repeat_interleave", "grid_sample", "max_unpool2d", "max_pool2d_with_indices"),
    *("adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "identity", "clone"),
)
"""What the program computes on integers, in tables, or between a dequantisation and a rounding; torch.ao in float."""

FIXES = {
    "sum": "sum channels with keepdim=True: it becomes a 1x1 convolution of ones (rule channel_sum)",
    "sub": "write a + b * (-1) (rules constant_minuend, subtraction)",
    "rsub": "write (x + (-c)) * (-1) (rule constant_minuend)",
    "neg": "write x * (-1) (rule negation)",
    "div": "multiply by the reciprocal (rule reciprocal)",
    "expand": "leave it out where add or mul broadcasts (rule broadcast)",
    "expand_as": "leave it out where add or mul broadcasts (rule broadcast)",
    "argmax": "apply it to the graph's output",
    "adaptive_max_pool2d": "use nn.MaxPool2d (rule adaptive_pool)",
    "pad": "use the padding of the convolution or pooling behind it, by 0 none (rule zero_pad)",
    "identity": "remove it (rule identity)",
    "clone": "leave it out (rule identity)",
}
"""How to spare torch.ao's kernels a way through float; the others have none."""


def _in_float(op: str) -> Limit:
    return warning(
        "torch.ao",
        "torch.ao has no int8 {call.op} and computes it in float; the program doesn't",
        FIXES.get(op, "leave it: engine auto takes what computes it right; QUANT.ENGINE program needs no float"),
    )


ROWS = table(
    Row("input"),
    Row("output"),
    Row("constant"),
    Row("quant_stub"),
    Row("dequant_stub"),
    *(Row(op, (_in_float(op), IN_PLACE)) for op in ANYHOW),
    _row("conv2d", "nn.Conv2d", limits=(FOUR_AXES, ZEROS)),
    _row("conv_transpose2d", "nn.ConvTranspose2d", limits=(FOUR_AXES,)),
    _row("linear", "nn.Linear"),
    _row("batch_norm", "nn.BatchNorm2d", limits=(LAYER, STATISTICS)),
    _row("layer_norm", "nn.LayerNorm", "F.layer_norm"),
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
    _row("add", "operator.add", "torch.add"),
    _row("mul", "operator.mul", "torch.mul"),
    _row("matmul", "torch.matmul"),
    _row("cat", "torch.cat"),
    _row("mean", "torch.mean", "Tensor.mean"),
    _row("avg_pool2d", "nn.AvgPool2d", "F.avg_pool2d", limits=(FOUR_AXES,)),
    _row("max_pool2d", "nn.MaxPool2d", "F.max_pool2d", limits=(FOUR_AXES, INSIDE)),
    _row("adaptive_avg_pool2d", "nn.AdaptiveAvgPool2d", "F.adaptive_avg_pool2d", limits=(FOUR_AXES,)),
    _row("interpolate", "F.interpolate", limits=(FOUR_AXES, MODE)),
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
    Row("dropout", (OFF,)),
)

X86 = Target(
    name="x86",
    rows=ROWS,
    everywhere=(NUMBERS,),
    missing={},
    rules=COMMON_RULES
    | {"broadcast", "late_expand", "spelling", "subtraction", "spatial_mean", "channel_sum", "pool_convolution"},
)
