"""A disk that gets full or read-only: a mounted one where root may mount, else errors of the system, injected."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE = 64  # MB


@contextmanager
def disk(root: Path) -> Iterator[bool]:
    """Mounts a tmpfs at `root`, a new folder, until the block ends; False where that isn't allowed."""
    root.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(root))
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(root)], check=True)


@contextmanager
def full(root: Path, mounted: bool) -> Iterator[None]:
    """No byte can be written below `root`."""
    if not mounted:
        with _injected("qat.files.replacement._to_disk", errno.ENOSPC):
            yield
        return
    left, filler = os.statvfs(root), root / "filler"
    filler.write_bytes(bytes(left.f_bavail * left.f_bsize))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(root: Path, mounted: bool) -> Iterator[None]:
    """Nothing can be made or removed below `root`."""
    if not mounted:
        with _injected("qat.files.parts.wait_for", errno.EROFS):
            yield
        return
    assert _mount("-o", "remount,ro", str(root))
    try:
        yield
    finally:
        assert _mount("-o", "remount,rw", str(root))


def _mount(*words: str) -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@contextmanager
def _injected(name: str, number: int) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name, refuse)
        yield
