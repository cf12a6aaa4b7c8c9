"""A method's arguments beside the graph, and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, fx, nn

from qat.distributed import ALONE, Group
from qat.errors import UserError
from qat.evaluation.scorer import Score

Progress = Callable[[int, int, str], None]  # steps done, how many there are, a text
Judge = Callable[[nn.Module], Score]  # how near a network is to float, on pictures that calibration doesn't see
Inputs = Sequence[Tensor] | Callable[[], Iterable[Tensor]]  # batches (N, 3, H, W), the same each time


Share = Callable[[str, fx.GraphModule], Group]  # of a method's name and the graph


def alone(name: str, prepared: fx.GraphModule) -> Group:
    """No other process."""
    return ALONE


def silent(done: int, total: int, text: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Context:
    """One calibration, for its methods. What takes long is a function, which is called when it is needed.

    `quant`: QUANT's values by key. `batches`, `for_ranges`: the calibration's pictures, and as many of them as the
    ranges of channels need; (N, 3, H, W) normalised, on the graph's device. `example` gives one of noise (1, 3, H, W).
    `folder`: for states of runs that may be killed. `floating`: the float network; `plain`: the rewritten one that the
    calibrated one should agree with. `judge`: on held-out pictures. `ranking`: layers of a graph against `plain`, the
    most sensitive first. `cropped`: the prepared graph anew, for parts of pictures, and their height and width.
    `share`: lets the other processes run the method of that name on the graph too, and returns their group.
    """

    quant: Mapping[str, Any]
    folder: Path
    batches: Callable[[], Iterable[Tensor]]
    for_ranges: Callable[[], Iterable[Tensor]]
    example: Callable[[], Tensor]
    floating: Callable[[], nn.Module]
    plain: Callable[[], fx.GraphModule]
    judge: Callable[[], Judge]
    ranking: Callable[[fx.GraphModule, fx.GraphModule], Sequence[str]]
    cropped: Callable[[], tuple[fx.GraphModule, tuple[int, int]]]
    progress: Progress = silent
    share: Share = alone

    def titled(self, title: str) -> Progress:
        """The progress of one method."""
        return lambda done, total, text: self.progress(done, total, f"{title}: {text}")


@dataclass(frozen=True)
class Outcome:
    """What methods.json says of a method that has run, and the line for people."""

    record: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


def repeatable(inputs: Inputs) -> Callable[[], Iterable[Tensor]]:
    """A function that gives the batches; UserError for an iterator, which ends after the first time."""
    if callable(inputs):
        return inputs
    if isinstance(inputs, Iterator):
        raise UserError("the pictures are read more than once, and an iterator ends; give a list of batches")
    return lambda: inputs
