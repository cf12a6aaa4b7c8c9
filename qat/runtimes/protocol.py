"""What every runtime can do: load an artefact, run pictures through it, time itself."""

from __future__ import annotations

from collections.abc import Sequence
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

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        """Seconds of each of `rounds` runs of `x`, one after the other; the caller warms up."""

    def layers(self) -> list[LayerTime]:
        """The time of each layer in one run, in the order of execution; empty where the runtime doesn't tell."""

    def close(self) -> None:
        """Give back what the session holds; it can't run afterwards."""


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
