"""The processes that decode pictures ahead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pickle import PicklingError
from types import ModuleType
from typing import Any

import cv2
from torch.utils.data import DataLoader

_MAIN = "__main__"


def fresh_processes() -> BaseContext:
    """Workers that inherit no locks: a fork beside the threads of OpenCV or of a runtime may never wake.

    Source: what Python itself does from 3.14 on, https://docs.python.org/3/library/multiprocessing.html
    """
    fresh = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(fresh)
    if fresh == "forkserver":
        context.set_forkserver_preload([__name__])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # workers inherit it: Ctrl-C is the caller's
        forkserver.ensure_running()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def start_worker(worker: int) -> None:
    """What each does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)  # the workers are the threads; torch itself runs one thread in each
    if hasattr(os, "nice"):  # not on Windows
        os.nice(10)  # decoding ahead waits for cores that the network leaves idle


def passing(batches: DataLoader[Any]) -> Iterator[Any]:
    """One pass, whose workers don't run the caller's script again unless they need what it defines.

    Python gives a fresh process its parent's script, so that a script without `if __name__ == "__main__"` would start
    itself in every worker.
    """
    try:
        with _no_script():
            return iter(batches)
    except PicklingError:  # the data set's class, or a part of it, is the script's
        return iter(batches)


@contextmanager
def _no_script() -> Iterator[None]:
    script = sys.modules[_MAIN]
    sys.modules[_MAIN] = ModuleType(_MAIN)
    try:
        yield
    finally:
        sys.modules[_MAIN] = script
