"""Frames between processes: slots in shared memory whose room is reserved, or through pipes where there is none.

A file of tmpfs can be made larger than what is free; a process dies (SIGBUS) when it writes to a page that the system
can't give. `posix_fallocate` takes the pages at once, or fails. The file has no name, so that nothing is left behind
however the processes end; the others open it by /proc, which Linux has.
https://www.man7.org/linux/man-pages/man3/posix_fallocate.3.html
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Payload: TypeAlias = "Pixels | None"  # what a message carries: None where the bytes are in memory

MEMORY = Path("/dev/shm")
SHARE = 0.8  # of what is free there: others need some
FEWEST = 3  # slots: one is read, one computed, one written
MOST = 255  # a slot's number is a byte


@dataclass(frozen=True)
class Layout:
    """A slot's frame (H, W, 3) and its result, by shape; `slots` of them, in the file `path` ("": through pipes)."""

    frame: tuple[int, ...]
    result: tuple[int, ...]
    slots: int
    path: str = ""

    @property
    def slot_bytes(self) -> int:
        """Bytes of a slot.

        >>> Layout((1080, 1920, 3), (2, 1080, 1920), 24).slot_bytes
        10368000
        """
        return math.prod(self.frame) + math.prod(self.result)


def reserve(layout: Layout, folder: Path = MEMORY) -> tuple[Layout, int | None]:
    """Reserve memory for as many of the layout's slots as have room in `folder`, a file system in memory.

    Returns:
        The layout with its path and slots, and the descriptor that keeps the memory; where fewer than three slots have
        room, or the system can't reserve, the layout without a path and None.
    """
    try:
        status = os.statvfs(folder)
        room = int(status.f_bavail * status.f_frsize * SHARE) // layout.slot_bytes
        slots = min(layout.slots, room, MOST)
        if slots >= FEWEST:
            descriptor = _reserved(folder, slots * layout.slot_bytes)
            return replace(layout, slots=slots, path=f"/proc/{os.getpid()}/fd/{descriptor}"), descriptor
    except (OSError, AttributeError):  # no such folder, no room after all, or no such calls on this system
        pass
    return replace(layout, slots=min(layout.slots, MOST)), None


def _reserved(folder: Path, size: int) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, size)
        if not os.path.exists(f"/proc/{os.getpid()}/fd/{file.fileno()}"):
            raise OSError("no /proc")
        return os.dup(file.fileno())


class Slots:
    """The slots of a layout, as each process sees them.

    >>> slots = Slots(Layout((2, 2, 3), (1, 2, 2), 3))
    >>> carried = slots.put_frame(0, np.ones((2, 2, 3), np.uint8))
    >>> int(slots.frame(0, carried).sum())
    12
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._memory = _mapped(layout) if layout.path else None

    def put_frame(self, slot: int, frame: Pixels) -> Payload:
        """Put a frame (H, W, 3) into a slot; returns what the message has to carry."""
        return self._put(slot, 0, self.layout.frame, frame)

    def frame(self, slot: int, payload: Payload) -> Pixels:
        """The frame of a slot, in its memory."""
        return self._get(slot, 0, self.layout.frame, payload)

    def put_result(self, slot: int, result: Pixels) -> Payload:
        """As `put_frame`, of the result."""
        return self._put(slot, math.prod(self.layout.frame), self.layout.result, result)

    def result(self, slot: int, payload: Payload) -> Pixels:
        """As `frame`, of the result."""
        return self._get(slot, math.prod(self.layout.frame), self.layout.result, payload)

    def _put(self, slot: int, offset: int, shape: tuple[int, ...], value: Pixels) -> Payload:
        if self._memory is None:
            return np.ascontiguousarray(value)
        self._view(slot, offset, shape)[...] = value
        return None

    def _get(self, slot: int, offset: int, shape: tuple[int, ...], payload: Payload) -> Pixels:
        return self._view(slot, offset, shape) if payload is None else payload

    def _view(self, slot: int, offset: int, shape: tuple[int, ...]) -> Pixels:
        assert self._memory is not None
        start = slot * self.layout.slot_bytes + offset
        return np.frombuffer(self._memory, np.uint8, math.prod(shape), start).reshape(shape)


def _mapped(layout: Layout) -> mmap.mmap:
    descriptor = os.open(layout.path, os.O_RDWR)
    try:
        return mmap.mmap(descriptor, layout.slots * layout.slot_bytes)
    finally:
        os.close(descriptor)
