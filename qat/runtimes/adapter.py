"""What the adapters share: each adds how its library opens a file and runs a batch."""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from qat.deploy.sessions import CPU, ROWS
from qat.errors import UserError, as_user_error
from qat.invocation import command
from qat.runtimes.artefact import SOURCE, Artefact, read_artefact
from qat.runtimes.optional import require, version_of
from qat.runtimes.protocol import LayerTime

AnyAdapter = TypeVar("AnyAdapter", bound="Adapter")


@dataclass(frozen=True)
class Conversion:
    """A file of the compile folder that a runtime's converter makes: its name, how it is made, the converter's options.

    `parts`: files beside it that belong to it. `is_exact`: whether it keeps all of the weights' bits. `source`: what
    the converter is given; `is_int8`: whether that is an int8 file.
    """

    name: str
    how: str
    options: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    is_exact: bool = True
    source: str = SOURCE
    is_int8: bool = False


class Adapter(ABC):
    """A `Runtime`, which is also its row: all tables of runtimes derive from it.

    `module`: the Python module that it imports when it loads an artefact; `package`: what brings it. `best`: the file
    of the compile folder that it runs best. `suffixes`: of its own formats, to their kind. `conversions`: the files
    that its converter makes of ONNX files. `device`: where it runs, in its own words.
    """

    name: str
    module: str
    package: str
    kinds: Sequence[str]
    best: str
    suffixes: Mapping[str, str] = {}
    conversions: Sequence[Conversion] = ()
    device: str = CPU

    @property
    def version(self) -> str:
        """The installed package's version; UserError naming the extra where there is none."""
        return version_of(self.module)

    def __str__(self) -> str:
        """Name and version, for messages."""
        return f"{self.name} {self.version}"

    def load(self, path: str | Path, threads: int) -> AdapterSession:
        """See `Runtime.load`."""
        require(self.module)
        if threads < 1:
            raise UserError(f"{self.name} can't run on {threads} threads; give 1 or more")
        artefact = read_artefact(Path(path), self.suffixes)
        if artefact.kind not in self.kinds:
            raise UserError(f"{self.name} doesn't take {artefact}: {self.refusal(artefact.kind)}")
        hint = f"is the file damaged? {command('compile')} writes it again"
        with as_user_error(f"{self} can't load {artefact.path}", hint):
            return self._open(artefact, threads)

    def on(self: AnyAdapter, device: str) -> AnyAdapter:
        """This runtime on another device; the CPU for "". UserError, naming those that are here, for an absent one."""
        if device.casefold() in ("", CPU.casefold()):
            return self
        if self.name not in ROWS:
            raise UserError(f"{self.name} runs on the CPU alone; leave out RUNTIME_DEVICE {device}")
        require(self.module)
        placed = copy.copy(self)
        placed.device = ROWS[self.name].device(device)
        return placed

    def takes(self, path: Path) -> bool:
        """Whether the file is of one of its kinds; UserError as `load`."""
        return read_artefact(path, self.suffixes).kind in self.kinds

    def convert(self, source: str | Path, destination: str | Path, options: Sequence[str] = ()) -> None:
        """Write `source`, an ONNX file, as `destination` in the runtime's own format, told the `options`.

        Raises UserError: a QDQ file that it doesn't read (with the reason), a missing package, a converter that fails
        or whose file doesn't compute what `source` does.
        """
        raise UserError(f"{self.name} has no converter; it takes {', '.join(self.kinds)}")

    def refusal(self, kind: str) -> str:
        """Why an artefact of `kind` isn't taken, and what is."""
        return f"it takes {', '.join(self.kinds)}"

    @abstractmethod
    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        """A session for an artefact of one of `kinds`; the library's own errors become a UserError."""


class AdapterSession(ABC):
    """A `Session`; `who` is the runtime and its version."""

    def __init__(self, who: str, artefact: Artefact, note: str = "") -> None:
        self.who, self.artefact, self.note = who, artefact, note

    def run(self, x: np.ndarray) -> np.ndarray:
        """See `Session.run`."""
        return self.run_all(x)[0]

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """See `Session.run_all`."""
        batch = self.artefact.batch_for(x)
        with as_user_error(f"{self.who} can't run {self.artefact.path}"):
            parts = [_listed(self._run(np.ascontiguousarray(x[at : at + batch]))) for at in range(0, len(x), batch)]
            return parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        """See `Session.time`."""
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            self.run(x)
            seconds.append(time.perf_counter() - start)
        return seconds

    def layers(self) -> list[LayerTime]:
        """See `Session.layers`."""
        return []

    def close(self) -> None:  # noqa: B027 - most libraries free what they hold with the object
        """See `Session.close`."""

    @abstractmethod
    def _run(self, x: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """The output of one batch, or its outputs in the file's order, in memory of their own."""


def _listed(outputs: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    return outputs if isinstance(outputs, list) else [outputs]
