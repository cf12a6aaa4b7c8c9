"""Work in a thread beside the caller's, one piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Beside:
    """Runs pieces of work in order, each beside what its caller does next; memory holds one of them.

    torch's and numpy's operations let go of Python's lock, so that two threads take two cores.

    >>> with Beside() as beside:
    ...     beside.start(lambda: print("first"))
    ...     beside.wait()
    first
    """

    def __init__(self, on: bool = True) -> None:
        """`on`: False runs each piece at once, in the caller's thread."""
        self._pool = ThreadPoolExecutor(1) if on else None
        self._running: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Start a piece once the one before is done; raises what that one raised."""
        self.wait()
        if self._pool is None:
            work()
        else:
            self._running = self._pool.submit(work)

    def wait(self) -> None:
        """Until the last piece is done; raises what it raised."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def __enter__(self) -> Beside:
        """A block at whose end nothing runs any more."""
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, trace: TracebackType | None) -> None:
        """Wait for the last piece, whatever it raises."""
        if self._pool is not None:
            self._pool.shutdown()
