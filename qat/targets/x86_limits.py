"""The limits of x86's operations, each with what to do about it; `x86` puts them in rows."""

from __future__ import annotations

from qat.targets.table import Call, Limit, computed, numbers

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
    found = numbers(value)
    return found * 2 if len(found) == 1 else found


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
