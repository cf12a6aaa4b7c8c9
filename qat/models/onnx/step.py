"""What a row of the table is given: a node's settings and values, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qat.errors import UserError


@dataclass(frozen=True)
class Constant:
    """A constant of the file. `tensor`: it as the network holds it; None for one that only numbers are read from."""

    array: NDArray[np.generic]
    tensor: Tensor | None = None


@dataclass(frozen=True)
class Step:
    """A node. `place`: the file and the node, for messages; `opset`: of the file; `batch`: fixed by it, or None."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    batch: int | None
    place: str

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute's value."""
        return self.attributes.get(name, default)

    def refuse(self, what: str) -> NoReturn:
        """Raises UserError."""
        raise UserError(
            f"{self.place}: {self.op} {what} isn't converted; give the network's code (MODEL.NAME path/net.py:function)"
        )


# A value is a tensor, a Constant, or a number or list of numbers that are computed from sizes; None: left out.
Value = Any
Row = Callable[..., Any]  # (step, *values) -> a value, or a tuple of them
Maker = Callable[[Step, Sequence[NDArray[np.generic] | None]], nn.Module | None]


def is_tensor(value: Value) -> bool:
    """Whether `value` is a tensor of pixels; while TorchScript traces, sizes are tensors of one number."""
    return isinstance(value, Tensor) and not (torch.jit.is_tracing() and value.dim() == 0)  # type: ignore[attr-defined, no-untyped-call]


def is_numbers(value: Value) -> bool:
    """Whether `value` is a number or a list of numbers, computed from sizes."""
    return isinstance(value, list | int | float) or (isinstance(value, Tensor) and not is_tensor(value))


def numbers(step: Step, value: Value) -> Any:
    """A number or a list of numbers, as Python has it."""
    if isinstance(value, Constant):
        return value.array.tolist()
    if is_tensor(value):
        step.refuse("with settings that depend on pixels")
    return value


def operand(step: Step, value: Value) -> Any:
    """A tensor, or a constant's one number."""
    if not isinstance(value, Constant):
        return value
    if value.array.size == 1:
        return value.array.item()
    return step.refuse("of a constant of this kind") if value.tensor is None else value.tensor


def tensor(step: Step, value: Value) -> Tensor:
    """A tensor."""
    if isinstance(value, Constant) and value.tensor is not None:
        return value.tensor
    if not isinstance(value, Tensor):
        step.refuse("of numbers")
    return value
