"""The reader's and the writer's processes: what they run, and how they end with the process that started them.

A slot goes round: the reader fills it, the middle computes on it, the writer writes it and gives its number straight
back to the reader. Each pipe has one end in one process, so that every death closes what the others wait at.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from qat.errors import UserError, quoted
from qat.video.encoders import Codec, Encoder, open_encoder
from qat.video.frames import Layout, Pixels, Slots
from qat.video.source import Source, Stream
from qat.video.steps import Cost, Steps

Paint = Callable[[Pixels, Pixels], Pixels]  # a frame (H, W, 3) and its result -> what is written, of one size


@dataclass(frozen=True)
class Target:
    """What is written: the file, its codec, and how a frame becomes a picture of it."""

    path: Path
    codec: Codec
    paint: Paint


@dataclass(frozen=True)
class Filled:
    """A slot with a frame, its time in seconds, and the frame itself where there is no shared memory."""

    slot: int
    seconds: float
    frame: Pixels | None


@dataclass(frozen=True)
class Computed:
    """A filled slot with its result."""

    filled: Filled
    result: Pixels | None


@dataclass(frozen=True)
class Ended:
    """A worker's end: its frames, what it cost, and what a reader of the result should know; "" for nothing."""

    frames: int
    cost: Cost
    note: str = ""


@dataclass(frozen=True)
class Mistake:
    """A worker's UserError."""

    text: str


def read() -> None:
    """The reader's process: frames of a source into free slots, until the source ends."""
    pipes = _pipes()
    with suppress(EOFError, OSError):  # who would have it is gone
        try:
            source = Source(*pipes["job"].recv())
            pipes["frames"].send(source.stream)
            layout: Layout = pipes["job"].recv()
        except UserError as error:
            pipes["frames"].send(Mistake(str(error)))
            return
        threading.Thread(target=_end_with, args=(pipes["job"],), daemon=True).start()
        _read_all(source, layout, pipes["frames"], pipes["free"])
    _leave()


def _read_all(source: Source, layout: Layout, frames: Connection, free: Connection) -> None:
    slots, waiting = Slots(layout), Steps()
    start, free_slots = time.perf_counter(), _free_slots(layout, free)
    for frame, seconds in source:
        with waiting.step("slot"):
            slot = next(free_slots, None)
        if slot is None:
            return
        frames.send(Filled(slot, seconds, slots.put_frame(slot, frame)))
    wall = time.perf_counter() - start - sum(cost.wall for cost in waiting.costs.values())
    frames.send(Ended(source.frames, Cost(wall, time.process_time()), source.note))


def _free_slots(layout: Layout, free: Connection) -> Iterator[int]:
    """All slots, then those that the writer gives back, until it is gone."""
    yield from range(layout.slots)
    while slot := os.read(free.fileno(), 1):
        yield slot[0]


def _end_with(job: Connection) -> None:
    """Waits for the end of the process that gave the job: a read that hangs doesn't outlive it."""
    with suppress(EOFError, OSError):
        job.recv()
    _leave()


def write() -> None:
    """The writer's process: paints and encodes frames, and ends the file so that it plays, whatever happens."""
    pipes = _pipes()
    signal.signal(signal.SIGTERM, _stop)
    with suppress(EOFError, OSError):
        target, stream, layout = pipes["work"].recv()
        _Writer(target, stream, Slots(layout), pipes).run()
    _leave()


class _Writer:
    """The writer's loop."""

    def __init__(self, target: Target, stream: Stream, slots: Slots, pipes: dict[str, Connection]) -> None:
        self.target, self.stream, self.slots, self.pipes = target, stream, slots, pipes
        self.frames, self.cost = 0, Cost()
        self.encoder: Encoder | None = None

    def run(self) -> None:
        """Write until there is no more work, the disk is full, or the process that gives the work is gone."""
        done, note = False, ""
        try:
            while (work := self._next()) is not None:
                done = work == "done"
                if done:
                    break
                self._write(work)
        except BrokenPipeError:  # nobody takes the status
            pass
        except OSError as error:
            note = self._refused(error)
        except UserError as error:
            note = str(error)
        finally:
            note = self._close() or note
            self._say(done, note)

    def _next(self) -> Any:
        try:
            return self.pipes["work"].recv()
        except Exception:  # the end, or half a message of a process that died
            return None

    def _write(self, work: Computed) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        filled = work.filled
        frame = self.slots.frame(filled.slot, filled.frame)
        picture = self.target.paint(frame, self.slots.result(filled.slot, work.result))
        if self.encoder is None:
            size = (picture.shape[0], picture.shape[1])
            self.encoder = open_encoder(self.target.path, size, self.stream.rate, self.target.codec)
        self.encoder.write(picture, filled.seconds)
        self.frames += 1
        self.cost.wall += time.perf_counter() - wall
        self.cost.cpu += time.process_time() - cpu
        self.pipes["status"].send(self.frames)
        with suppress(OSError):  # the reader has ended
            os.write(self.pipes["free"].fileno(), bytes([filled.slot]))

    def _close(self) -> str:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            if self.encoder is not None:
                self.encoder.close()
        except OSError as error:
            return self._refused(error)
        finally:
            self.cost.wall += time.perf_counter() - wall
            self.cost.cpu += time.process_time() - cpu
        return ""

    def _refused(self, error: OSError) -> str:
        return f"can't write {quoted(str(self.target.path))}: {error.strerror or error}"

    def _say(self, done: bool, note: str) -> None:
        """Tell the end to the process that gave the work; where that has died, to whoever looks at the terminal."""
        said = Mistake(note) if note else Ended(self.frames, self.cost)
        try:
            self.pipes["status"].send(said)
        except OSError:
            if not done:
                kept = f"{self.frames} frames are kept in {self.target.path}" if self.frames else "no frame was written"
                print(f"error: the process that computes has died; {quoted(kept)}", file=sys.stderr)


def _stop(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _leave() -> NoReturn:
    """Ends at once: a thread of a library that hangs can't hold it."""
    sys.stderr.flush()
    os._exit(0)


def _pipes() -> dict[str, Connection]:
    """This process's ends, by name; the start's argument has the descriptors, negative for those to write to."""
    ends: dict[str, int] = json.loads(sys.argv[2])
    return {name: Connection(abs(end), readable=end > 0, writable=end < 0) for name, end in ends.items()}
