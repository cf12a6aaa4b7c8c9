"""Arithmetic on sizes: numbers and lists of numbers, which stay Python's while a network is traced."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from qat.models.onnx.step import Step

INTEGERS = (1 << 31) - 1  # ends of slices beyond it mean the end


def each(function: Callable[..., Any], *values: Any) -> Any:
    """Applies `function` number by number; a number goes with every number of a list.

    >>> each(operator.mul, [2, 3], 4)
    [8, 12]
    """
    if not any(isinstance(value, list) for value in values):
        return function(*values)
    length = max(len(value) for value in values if isinstance(value, list))
    columns = [_stretched(value, length) for value in values]
    return [each(function, *row) for row in zip(*columns, strict=True)]


def _stretched(value: Any, length: int) -> list[Any]:
    if not isinstance(value, list):
        return [value] * length
    return value * length if len(value) == 1 else value


def divide(a: Any, b: Any) -> Any:
    """Whole numbers stay whole."""
    return a // b if _is_whole(a) and _is_whole(b) else a / b


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, Tensor) and not value.is_floating_point())


def equal(a: Any, b: Any) -> Any:
    """Equality; a size, which is traced, is never below 0."""
    traced = [value for value in (a, b) if type(value) not in (int, float, bool)]
    plain = [value for value in (a, b) if type(value) in (int, float, bool)]
    if len(traced) == 1 and plain[0] < 0:
        return False
    return a == b


def choose(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`."""
    return a if condition else b


def whole(value: Any) -> Any:
    """A number without its fraction."""
    return value if _is_whole(value) else int(value)


def picked(values: Sequence[Any], index: Any) -> Any:
    """The numbers at `index`, a number or a list."""
    return [picked(values, one) for one in index] if isinstance(index, list) else values[index]


def flat(value: Any) -> list[Any]:
    """The numbers of a number, a list, or a list of lists.

    >>> flat([[1], [2]]), flat(3)
    ([1, 2], [3])
    """
    return [part for one in value for part in flat(one)] if isinstance(value, list) else [value]


def shaped(values: list[Any], shape: Sequence[int]) -> Any:
    """Numbers as a number, a list, or a list of lists, as the pads of a picture come.

    >>> shaped([1, 2, 3, 4], [-1, 2])
    [[1, 2], [3, 4]]
    """
    if len(shape) == 2:
        width = shape[1] if shape[1] > 0 else len(values) // shape[0]
        return [values[start : start + width] for start in range(0, len(values), width)]
    return values if shape else values[0]


def total(step: Step, values: Any) -> Any:
    """A reduction of all numbers to one."""
    functions: dict[str, Callable[..., Any]]
    functions = {"ReduceProd": math.prod, "ReduceSum": sum, "ReduceMax": max, "ReduceMin": min}
    function = functions.get(step.op)
    if function is None:
        step.refuse("of sizes")
    result = function(flat(values))
    return [result] if step.get("keepdims", 1) else result


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": divide,
    "Mod": operator.mod,
    "Max": max,
    "Min": min,
    "Equal": equal,
    "Greater": operator.gt,
    "Less": operator.lt,
    "And": lambda a, b: bool(a) and bool(b),
    "Or": lambda a, b: bool(a) or bool(b),
    "Not": operator.not_,
    "Floor": math.floor,
    "Ceil": math.ceil,
    "Round": round,
    "Neg": operator.neg,
    "Abs": abs,
    "Sqrt": math.sqrt,
    "Pow": operator.pow,
    "Where": choose,
}


def slices(step: Step, starts: Any, ends: Any, axes: Any, steps: Any) -> list[tuple[int, slice]]:
    """The slice of each axis."""
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    found = []
    for axis, start, end, by in zip(axes, starts, ends, steps, strict=True):
        if by < 1 and (by, start) != (-1, -1):
            step.refuse(f"by steps of {by}")
        is_open = type(end) is int and abs(end) >= INTEGERS
        found.append((axis, slice(None if type(start) is int and start == 0 else start, None if is_open else end, by)))
    return found
