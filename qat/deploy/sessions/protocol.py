"""The interface of every session, and a runtime's row."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from qat.errors import UserError

CPU = "CPU"  # every runtime's own word for it, and the device where none is named
Array = NDArray[Any]


class Session(Protocol):
    """A file that a library has opened; `note` is what a reader of its results should know, or empty."""

    note: str

    def run(self, x: Array) -> list[Array]:
        """The outputs, in the file's order and in memory of their own, for a batch (N, C, H, W) of the file's type.

        The library's own errors come through.
        """


@runtime_checkable
class Profiled(Protocol):
    """A session that knows its times better than who calls it."""

    def profile(self, x: Array, rounds: int) -> float:
        """Milliseconds of a run, the mean of `rounds`."""


@dataclass(frozen=True)
class Row:
    """A runtime: its name, the module that it imports or the program that it runs, the suffixes of its files.

    `open` takes a file, the number of threads and a device's name. `devices`: the names of those that are here.
    `refused`: forms of an ONNX file (`qat.deploy.facts`) that it doesn't run, with the reason.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    open: Callable[[Path, int, str], Session]
    devices: Callable[[], tuple[str, ...]]
    refused: Mapping[str, str] = field(default_factory=dict)
    is_program: bool = False

    @property
    def is_here(self) -> bool:
        """Whether the module can be imported, or the program is on the PATH."""
        return bool(shutil.which(self.module) if self.is_program else find_spec(self.module))

    def device(self, name: str) -> str:
        """The device of that name, in the runtime's own spelling; the CPU for "".

        Raises UserError where it isn't here.
        """
        here = self.devices()
        found = next((device for device in here if device.casefold() == (name or CPU).casefold()), None)
        if found is None:
            raise UserError(f"{self.name} has no device {name} here; it has {', '.join(here)} (RUNTIME_DEVICE)")
        return found
