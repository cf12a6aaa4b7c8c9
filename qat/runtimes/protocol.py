"""The interface of every runtime: load an artefact, run pictures through it, time itself and its layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from qat.runtimes.artefact import Artefact


@dataclass(frozen=True)
class LayerTime:
    """One executed layer: its name and kind in the runtime, the type it computes in (u8, i8, f32), milliseconds."""

    name: str
    kind: str
    precision: str
    milliseconds: float


class Session(Protocol):
    """A loaded artefact; `note` is what a reader of its results should know, or empty."""

    artefact: Artefact
    note: str

    def run(self, x: np.ndarray) -> np.ndarray:
        """The artefact's output for pictures `x` (N, 3, H, W), float32 normalised or raw uint8 as the artefact takes.

        A file made for another batch runs part by part. Raises UserError for another size or type, and where the
        runtime fails.
        """

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """As `run`, with every output of an artefact that has several; `run` gives the first."""

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        """Seconds of each of `rounds` runs of `x`, one after the other; the caller warms up."""

    def layers(self) -> list[LayerTime]:
        """The time of each layer in one run, in the order of execution; empty where the runtime doesn't tell."""

    def close(self) -> None:
        """Free the session's resources; it can't run afterwards."""


class Runtime(Protocol):
    """An inference library. `name`: as in RUNTIME=; `kinds`: the artefacts it takes (`qat.runtimes.artefact`)."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds."""

    @property
    def version(self) -> str:
        """The installed package's version; UserError naming the extra where there is none."""

    def load(self, path: str | Path, threads: int) -> Session:
        """Open an artefact to run on `threads` threads of the CPU.

        Raises UserError: the package is missing, there is no such file, it is damaged, or of a kind that this runtime
        doesn't take.
        """


_CONVOLUTION = re.compile(r"conv(?!ert)", re.IGNORECASE)  # Conv, FusedConv, QLinearConv, ConvInteger, Convolution
_INT8 = ("i8", "u8")


@dataclass(frozen=True)
class Convolutions:
    """How many convolutions ran on int8 inputs, and the names of the others."""

    int8: int
    others: tuple[str, ...]


def executed_convolutions(layers: Iterable[LayerTime]) -> Convolutions:
    """Count the convolutions among the layers that a session's `layers()` saw running.

    >>> executed_convolutions([LayerTime("a", "QLinearConv", "u8", 1.0), LayerTime("b", "Convert", "f32", 0.1)])
    Convolutions(int8=1, others=())
    """
    convolutions = [layer for layer in layers if _CONVOLUTION.search(layer.kind)]
    others = tuple(layer.name for layer in convolutions if layer.precision not in _INT8)
    return Convolutions(len(convolutions) - len(others), others)
