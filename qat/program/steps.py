"""The network as a list of steps with their integers: what every writer, picture and count reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Quant:
    """An activation's grid: real = (q - zero_point) * scale for q in `low` .. `high` (quint8 levels)."""

    scale: float
    zero_point: int
    low: int = 0
    high: int = 255

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest real value."""
        return (self.low - self.zero_point) * self.scale, (self.high - self.zero_point) * self.scale


@dataclass(frozen=True)
class Weight:
    """A layer's constants. Convolution: `values` (out, in / groups, kh, kw); batch_norm: (channels,) gains.

    Quantised: `values` are int8 and real = values * `scales` (one per output channel, or one in all); else float32 and
    `scales` is None. `bias` (out,) is float32, or None.
    """

    values: np.ndarray
    scales: np.ndarray | None = None
    bias: np.ndarray | None = None

    @property
    def real(self) -> np.ndarray:
        """`values` as float32 numbers."""
        if self.scales is None:
            return self.values
        scales = self.scales.reshape(-1, *[1] * (self.values.ndim - 1))
        return np.asarray(self.values * scales, np.float32)


@dataclass(frozen=True)
class Step:
    """One operation and the tensor it gives, which has the step's name.

    `op`: input, conv2d, conv_transpose2d, linear, batch_norm, relu, add, sub, mul, scale_shift (x * scale + shift),
    cat, avg_pool2d, max_pool2d, interpolate, sigmoid, ... (the names of `qat.graph.ops`). `inputs`: the names of the
    steps it reads. `attributes`: its settings. `relu`: a ReLU is part of it. `quant`: its output's grid, None for
    float. `macs`: multiply-accumulates of the whole output. `module`: the dotted path of the module that it belongs to;
    `source`: file:line of the model.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    quant: Quant | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    relu: bool = False
    weight: Weight | None = None
    macs: int = 0
    module: str = ""
    source: str = ""


@dataclass(frozen=True)
class Program:
    """Steps in an order in which they can run; `outputs` names the steps whose tensors are the results."""

    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> Step:
        """The step called `name`."""
        return self.by_name[name]

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """Every step under its name."""
        return {step.name: step for step in self.steps}

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(step.macs for step in self.steps)
