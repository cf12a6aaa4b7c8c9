"""What the picture says about a step: a label, and everything that is known about it as lines to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qat.program.steps import Program, Step

SHORT = {
    "conv2d": "conv",
    "conv_transpose2d": "deconv",
    "avg_pool2d": "avg pool",
    "max_pool2d": "max pool",
    "adaptive_avg_pool2d": "avg pool",
    "batch_norm": "batch norm",
    "interpolate": "resize",
    "scale_shift": "x",
}
DTYPES = {"int8": "int8", "float_out": "int8 in, float out", "float": "float"}
"""Key -> what the legend says of a step's arithmetic."""


def dtype_of(step: Step, program: Program) -> str:
    """`int8`: its output is on a grid; `float_out`: it reads or holds integers and gives floats; else `float`."""
    if step.quant:
        return "int8"
    integers = any(program[name].quant for name in step.inputs) or (step.weight and step.weight.scales is not None)
    return "float_out" if integers else "float"


def label_of(step: Step) -> str:
    """The operation in a few words.

    >>> label_of(Step("a", "max_pool2d", (), (1, 3, 8, 8), attributes={"kernel_size": 3, "stride": 2}, relu=True))
    'max pool 3×3 /2 + relu'
    """
    return " ".join(
        [SHORT.get(step.op, step.op.replace("_", " ")), *_settings(step), *(["+ relu"] if step.relu else [])]
    )


def _settings(step: Step) -> list[str]:
    attributes = step.attributes
    if step.op == "scale_shift":
        return [f"× {attributes['scale']:.3g} + {attributes['shift']:.3g}"]
    values = step.weight.values if step.weight else None
    kernel = values.shape[2:] if values is not None and values.ndim == 4 else attributes.get("kernel_size")
    stride, dilation, groups = (attributes.get(key) for key in ("stride", "dilation", "groups"))
    return [
        *([times(_pair(kernel))] if kernel else []),
        *([f"/{_one(stride)}"] if kernel and stride and set(_pair(stride)) != {1} else []),
        *([f"d{_one(dilation)}"] if dilation and set(_pair(dilation)) != {1} else []),
        *([f"g{groups}"] if groups and groups != 1 else []),
    ]


def _pair(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _one(value: Any) -> str:
    numbers = _pair(value)
    return str(numbers[0]) if len(set(numbers)) == 1 else times(numbers)


def times(numbers: Any) -> str:
    """(64, 45, 60) as `64×45×60`."""
    return "×".join(map(str, numbers))


def short(number: float) -> str:
    """A count with a unit.

    >>> short(99532800), short(5529600), short(640), short(0)
    ('99.5 M', '5.53 M', '640', '0')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def cut(text: str, characters: int) -> str:
    """`text` with its middle left out where it is longer than `characters`.

    >>> cut("layer1.0.conv1", 9)
    'laye…onv1'
    """
    if len(text) <= characters:
        return text
    half = max(1, (characters - 1) // 2)
    return f"{text[: characters - 1 - half]}…{text[-half:]}"


def facts_of(step: Step, program: Program, error: Mapping[str, float] | None = None) -> dict[str, str]:
    """Title -> text of everything known about a step, in the order to show it; `error`: measure -> value."""
    facts = {
        "Operation": label_of(step),
        "Module": step.module,
        "Shape": times(step.shape),
        "Type": DTYPES[dtype_of(step, program)],
    }
    if step.quant:
        low, high = step.quant.range
        facts |= {
            "Scale": f"{step.quant.scale:.6g}",
            "Zero point": str(step.quant.zero_point),
            "Range": f"{low:.4g} … {high:.4g}",
        }
    if step.macs:
        facts["MACs"] = f"{short(step.macs)} ({step.macs / program.macs:.1%} of {short(program.macs)})"
    if step.weight:
        facts["Weights"] = _weight(step)
    facts |= {_error_title(key): f"{value:.4g}" for key, value in (error or {}).items()}
    facts |= {key: str(value) for key, value in step.attributes.items() if value is not None}
    return {title: text for title, text in (facts | {"Source": step.source}).items() if text}


def _weight(step: Step) -> str:
    assert step.weight
    values, scales = step.weight.values, step.weight.scales
    kind = "float32" if scales is None else f"int8, {scales.size} scale{'s' if scales.size > 1 else ''}"
    return f"{times(values.shape)} = {short(values.size)} {kind}{'' if step.weight.bias is None else ', with bias'}"


def _error_title(key: str) -> str:
    """A measure's key with its unit in brackets: `sqnr_db` is `Error: SQNR (dB)`."""
    return "Error: " + {"sqnr_db": "SQNR (dB)"}.get(key, key.replace("_", " "))
