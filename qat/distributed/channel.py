"""What processes tell each other beside results: who failed, who has ended, how far they are.

It is a key-value store that torchrun, or `launch`, holds. Nobody waits in a call that can't be left: each wait looks
every few milliseconds whether another process has failed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from torch.distributed.distributed_c10d import Store

from qat.errors import UserError, quoted

FAILURE, END = "failure", "end"
_STEP = 0.01  # seconds between two looks
GRACE = 10.0  # seconds that a process waits for another one to say what has happened


class OtherProcessFailed(UserError):
    """Another process's mistake, which the first one says."""


class OwnFailure(UserError):
    """A mistake of a process beside the first one, which says it itself, since the first one doesn't answer."""


class Ended(BaseException):
    """The first process has ended; `code`: the exit code that this one takes."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Channel:
    """The store that all processes see; `rank`: this one's number of `world`."""

    store: Store
    rank: int
    world: int

    def check(self) -> None:
        """OtherProcessFailed in the first process where another has failed; Ended in the others where it has ended."""
        if self.rank == 0:
            if line := self._value(FAILURE):
                raise OtherProcessFailed(json.loads(line))
        elif (code := self._value(END)) is not None:
            raise Ended(int(code))

    def meet(self, place: str) -> None:
        """Until every process is at `place`, a name that is used once."""
        here = self.count(place, 1)
        while here < self.world:
            time.sleep(_STEP)
            here = self.count(place, 0)

    def wait(self, key: str) -> None:
        """Until the first process has set `key`."""
        while self._value(key) is None:
            self.check()
            time.sleep(_STEP)

    def count(self, name: str, steps: int) -> int:
        """Adds to a number that all processes share; returns what it is now."""
        self.check()
        with self._reached():
            return int(self.store.add(name, steps))

    def set(self, key: str, text: str) -> None:
        """Set what `wait` waits for."""
        with self._reached():
            self.store.set(key, text)

    def fail(self, line: str) -> int | None:
        """Tell the first process, unless another has; returns its exit code once it has said so, None if it doesn't."""
        with self._reached():
            self.store.compare_set(FAILURE, "", json.dumps(line))
        end = time.monotonic() + GRACE
        while (code := self._value(END)) is None and time.monotonic() < end:
            time.sleep(_STEP)
        return None if code is None else int(code)

    def end(self, code: int) -> None:
        """Tell the others that the first process ends."""
        with suppress(RuntimeError):  # where the store is gone, they see that too
            self.store.set(END, str(code))

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """A result is on its way; where that breaks, what another process failed of is said."""
        try:
            yield
        except RuntimeError as error:
            end = time.monotonic() + GRACE  # whoever started the processes ends this one first
            while time.monotonic() < end:
                self.check()
                time.sleep(_STEP)
            raise self._lost(error) from error

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise self._lost(error) from error

    def _lost(self, error: RuntimeError) -> BaseException:
        if self.rank:
            return Ended(1)
        return OtherProcessFailed(f"another process can't be reached ({quoted(str(error))}); start the command again")

    def _value(self, key: str) -> str | None:
        with self._reached():
            return self.store.get(key).decode() if self.store.check([key]) else None
