"""Ctrl-C and SIGTERM: one line and their exit code, while a command starts and while it runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SAYS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Terminated(BaseException):
    """SIGTERM, as `docker stop` and schedulers send it: what is half-written is removed on the way out."""


def exit_code(number: int) -> int:
    """Returns what a shell calls a process that a signal ended.

    >>> exit_code(signal.SIGINT), exit_code(signal.SIGTERM)
    (130, 143)
    """
    return 128 + number


@contextmanager
def starting() -> Iterator[None]:
    """Leaves at once: imports, which take seconds and turn what is raised in them into other errors, hold nothing."""

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"{SAYS[signal.Signals(number)]}\n".encode())
        os._exit(exit_code(number))

    with _handlers(dict.fromkeys(SAYS, leave)):
        yield


@contextmanager
def running() -> Iterator[None]:
    """SIGTERM raises Terminated and Ctrl-C KeyboardInterrupt, whatever the script's first lines did with it."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated

    with _handlers({signal.SIGTERM: end, signal.SIGINT: signal.default_int_handler}):
        yield


@contextmanager
def _handlers(chosen: dict[signal.Signals, Any]) -> Iterator[None]:
    """The process's handlers, which only its main thread may set, until the block ends.

    A signal that the process was started to ignore stays ignored: shells start background jobs without Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = {number: handler for number, handler in chosen.items() if signal.getsignal(number) != signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in heeded.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
