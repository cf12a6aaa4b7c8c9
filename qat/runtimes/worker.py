"""What runs in the child process: an object sent by the parent, whose methods it calls."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from qat.errors import UserError
from qat.runtimes.artefact import Artefact
from qat.runtimes.protocol import LayerTime, Runtime, Session


def serve(descriptor: int) -> None:
    """Receive an object, then (method, arguments) until the parent closes the pipe; answer each.

    An answer is (value, UserError's text, any other error's traceback), two of them None.
    """
    with Connection(descriptor) as parent:
        subject = parent.recv()
        while True:
            try:
                method, arguments = parent.recv()
            except EOFError:
                return
            parent.send(_answer(subject, method, arguments))


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
        """Open the session; gives what it takes and its note."""
        self.session = self.runtime.load(path, threads)
        return self.session.artefact, self.session.note

    def run(self, x: np.ndarray) -> np.ndarray:
        """As the session's."""
        return self.session.run(x)

    def time(self, x: np.ndarray, rounds: int) -> list[float]:
        """As the session's, measured here."""
        return self.session.time(x, rounds)

    def layers(self) -> list[LayerTime]:
        """As the session's."""
        return self.session.layers()
