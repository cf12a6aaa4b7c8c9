"""A runtime in a process of its own, so that its crash is one line here."""

from __future__ import annotations

import signal
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from qat.errors import UserError
from qat.runtimes.artefact import Artefact
from qat.runtimes.channel import Channel, own_ends, read_object, write_object
from qat.runtimes.protocol import LayerTime, Runtime, Session

TIMEOUT = 300.0  # seconds for one answer
_HINT = "try another version of it, or leave this runtime out"


def serve() -> None:
    """What the child runs: receive an object, then (method, arguments) until the parent closes the pipe; answer each.

    An answer is (value, UserError's text, any other error's traceback), two of them None.
    """
    come, go = own_ends()
    subject = read_object(come)
    while True:
        try:
            method, arguments = read_object(come)
        except EOFError:
            return
        write_object(go, _answer(subject, method, arguments))


def _answer(subject: Any, method: str, arguments: tuple[Any, ...]) -> tuple[Any, str | None, str | None]:
    try:
        return getattr(subject, method)(*arguments), None, None
    except UserError as error:
        return None, str(error), None
    except Exception:
        return None, None, traceback.format_exc()


@dataclass
class Host:
    """A runtime and the session that it opens; only the runtime travels."""

    runtime: Runtime
    session: Session = field(init=False)

    def load(self, path: Path, threads: int) -> tuple[Artefact, str]:
        """Open the session; returns its artefact and its note."""
        self.session = self.runtime.load(path, threads)
        return self.session.artefact, self.session.note

    def run(self, x: np.ndarray) -> np.ndarray:
        """As the session's."""
        return self.session.run(x)

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """As the session's."""
        return self.session.run_all(x)

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        """As the session's, measured here."""
        return self.session.time(x, rounds)

    def layers(self) -> list[LayerTime]:
        """As the session's."""
        return self.session.layers()


class Child:
    """A Python process that holds `subject` (anything that can be pickled) and calls its methods."""

    def __init__(self, who: str, subject: Any, timeout: float = TIMEOUT) -> None:
        self.who, self.timeout = who, timeout
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the child
        self._channel = Channel(__name__, serve.__name__, self._log)
        with suppress(OSError):  # a child that died at once is reported by the first call
            self._channel.send(subject)

    def call(self, method: str, *arguments: Any, doing: str) -> Any:
        """Call a method there. `doing` ends the sentence "`who` crashed (SIGSEGV) while ...".

        Raises UserError for the child's own UserError, for its death and for no answer in time; RuntimeError, with the
        child's traceback, for any other error.
        """
        try:
            self._channel.send((method, arguments))
            value, mistake, fault = self._channel.receive(self.timeout)
        except TimeoutError as error:
            self._channel.process.kill()
            raise UserError(f"{self.who} gave no answer in {self.timeout:g} s while {doing}; {_HINT}") from error
        except (EOFError, OSError) as error:
            raise UserError(f"{self.who} crashed ({self._death()}) while {doing}; {_HINT}") from error
        if mistake is not None:
            raise UserError(mistake)
        if fault is not None:
            raise RuntimeError(fault)
        return value

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._log.close()

    def _death(self) -> str:
        code = self._channel.process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{cause}: {lines[-1]}" if lines else cause


class Isolated:
    """A `Runtime`: another one, in a child process for each session."""

    def __init__(self, runtime: Runtime, timeout: float = TIMEOUT) -> None:
        self.runtime, self.timeout = runtime, timeout
        self.name, self.kinds = runtime.name, runtime.kinds

    @property
    def version(self) -> str:
        """As the runtime's."""
        return self.runtime.version

    def load(self, path: str | Path, threads: int) -> IsolatedSession:
        """As the runtime's; a crash and no answer for `timeout` seconds are a UserError too."""
        return IsolatedSession(Child(f"{self.name} {self.version}", Host(self.runtime), self.timeout), path, threads)


class IsolatedSession:
    """A `Session` whose work happens in a child process, until it is closed."""

    def __init__(self, child: Child, path: str | Path, threads: int) -> None:
        self._child, self._path = child, path
        try:
            self.artefact, self.note = self._call("load", path, threads, doing="loading")
        except UserError:
            child.close()
            raise

    def run(self, x: np.ndarray) -> np.ndarray:
        """See `Session.run`."""
        return cast(np.ndarray, self._call("run", x, doing="running"))

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """See `Session.run_all`."""
        return cast("list[np.ndarray]", self._call("run_all", x, doing="running"))

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        """See `Session.time`; measured in the child, without the way there and back."""
        return cast("list[float]", self._call("time", x, rounds, doing="timing"))

    def layers(self) -> list[LayerTime]:
        """See `Session.layers`."""
        return cast("list[LayerTime]", self._call("layers", doing="profiling"))

    def close(self) -> None:
        """End the child process."""
        self._child.close()

    def _call(self, method: str, *arguments: Any, doing: str) -> Any:
        return self._child.call(method, *arguments, doing=f"{doing} {self._path}")


def in_child(who: str, doing: str, function: Callable[..., Any], *arguments: Any, timeout: float = TIMEOUT) -> Any:
    """The value of a function of a module, called in a child process; raises as `Child.call` does."""
    child = Child(who, function, timeout)
    try:
        return child.call("__call__", *arguments, doing=doing)
    finally:
        child.close()
