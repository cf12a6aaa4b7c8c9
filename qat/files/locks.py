"""Locks of the operating system: they go with their process, however it ends, and hold across containers."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from qat.errors import UserError

_log = logging.getLogger(__name__)


def try_lock(path: Path) -> BaseFileLock | None:
    """Take the lock of file `path`; None where another process holds it. OSError where it can't be asked."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, NotImplementedError):
        return None
    return lock


def wait_for(path: Path) -> BaseFileLock:
    """Take the lock of file `path` as soon as nobody holds it."""
    lock = FileLock(path)
    lock.acquire()
    return lock


def give_back(lock: BaseFileLock) -> None:
    """Remove the lock's file, then the lock: who waited for it makes the file anew."""
    with suppress(OSError):  # Windows refuses, and removes it itself
        os.unlink(lock.lock_file)
    lock.release(force=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of `path`, a file or folder; where another process has it, say whose it is, and wait.

    Raises UserError where the folder takes no file.
    """
    file = path.with_name(f".{path.name}.lock")
    try:
        lock = try_lock(file)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"can't write {file}: {reason}; check the folder and the free space") from error
    if lock is None:
        _log.info("waiting for %s, who makes %s", _holder(file), path)
        lock = wait_for(file)
    try:
        with suppress(OSError):
            file.write_text(f"process {os.getpid()} on {platform.node()} ({Path(sys.argv[0]).name})", encoding="utf-8")
        yield
    finally:
        give_back(lock)


def _holder(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8") or "another process"
    return "another process"
