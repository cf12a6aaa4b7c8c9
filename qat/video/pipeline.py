"""A video through a network: frames are read, computed in batches and written at the same time.

The reader and the writer are processes of their own, and this one computes between them. Where processes can't be
given pipes (systems other than POSIX's) one process does all three in turn.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from qat.errors import UserError
from qat.video.encoders import Codec, open_encoder
from qat.video.frames import FEWEST, MEMORY, MOST, Layout, Pixels, Slots, reserve
from qat.video.processes import Died, Workers
from qat.video.source import Source, Stream, is_live
from qat.video.steps import Steps
from qat.video.workers import Computed, Ended, Filled, Mistake, Paint, Target

Progress = Callable[[int, int, str], None]
log = logging.getLogger(__name__)
HAS_PIPES = os.name == "posix"  # that a child process can be given
ROUNDS = 3  # batches that have slots: one read, one computed, one written


class Compute(Protocol):
    """What happens between reading and writing."""

    def __call__(self, frames: Sequence[Pixels]) -> Pixels:
        """The results of n frames (H, W, 3) uint8 RGB, uint8 (n, ...)."""

    def result_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the result of a frame of `shape`."""


@dataclass(frozen=True)
class Job:
    """What is done: `source` to `path`, each frame and its result as `paint` says.

    `batch`: frames that are computed at once. `most`: frames after which it ends; 0: all. `memory`: where frames lie.
    """

    source: str
    path: Path
    codec: Codec
    paint: Paint
    batch: int = 8
    most: int = 0
    memory: Path = MEMORY


@dataclass(frozen=True)
class Done:
    """A finished video: its frames, its stream, seconds by the clock from the first frame on, the cost of each step.

    `batch`: frames at once. `way`: how frames went between the processes. `note`: what is amiss with the source.
    """

    path: Path
    frames: int
    stream: Stream
    seconds: float
    steps: Steps
    batch: int
    way: str
    note: str = ""

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / max(self.seconds, 1e-9)

    @property
    def possible(self) -> float:
        """Frames a second if all cores were busy all the time: cores over the seconds on the CPU that a frame costs."""
        return cores() * self.frames / max(self.steps.cpu, 1e-9)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def part_of(path: Path) -> Path:
    """The file that is written until the video is whole.

    >>> part_of(Path("a/drive.mp4")).name
    'drive.part.mp4'
    """
    return path.with_name(f"{path.stem}.part{path.suffix}")


def run(job: Job, compute: Compute, steps: Steps, progress: Progress) -> Done:
    """Read, compute and write a video.

    Args:
        job: what is read, written and painted.
        compute: what happens to frames.
        steps: to which `compute` adds its time; reading and writing are added at the end.
        progress: called with the frames done, the number of frames, and a text.

    Returns:
        What was done. The file takes its name when it is whole; until then, and where the run ends early, it is
        `part_of` that, and plays.

    Raises:
        UserError: if the source can't be read, a process dies or the disk is full; the line names the frame and the
            part that is kept.
    """
    part, run = part_of(job.path), _Run(job, compute, steps, progress)
    part.unlink(missing_ok=True)
    try:
        done = run.in_processes() if HAS_PIPES else run.in_turn()
    except Died as error:
        raise UserError(f"{error}, at frame {run.written + 1} of {job.source}{_kept(part)}") from error
    except UserError as error:
        where = f", at frame {run.written + 1} of {job.source}" if run.computed else ""
        raise UserError(f"{error}{where}{_kept(part)}") from error
    except BaseException:  # Ctrl-C, SIGTERM
        log.info("stopped at frame %d of %s%s", run.written + 1, job.source, _kept(part))
        raise
    os.replace(part, job.path)
    return done


def _kept(part: Path) -> str:
    is_there = part.is_file() and part.stat().st_size > 0
    return f"; what was written till then plays: {part}" if is_there else "; nothing was written"


class _Run:
    """One run: `computed` frames so far, `written` of them."""

    def __init__(self, job: Job, compute: Compute, steps: Steps, progress: Progress) -> None:
        self.job, self.compute, self.steps, self.progress = job, compute, steps, progress
        self.computed, self.written = 0, 0
        self.began = time.perf_counter()

    def in_processes(self) -> Done:
        """Read and write in processes of their own."""
        workers, memory = Workers(), ExitStack()
        try:
            return self._between(workers, memory)
        finally:
            workers.close()
            memory.close()  # the writer may have come to it late
            self.written = workers.written

    def _between(self, workers: Workers, memory: ExitStack) -> Done:
        workers.job.send((self.job.source, self.job.most))
        stream = _heard(workers.receive())
        layout, descriptor = reserve(self._layout(stream), self.job.memory)
        if descriptor is not None:
            memory.callback(os.close, descriptor)
        batch = max(1, min(self.job.batch, layout.slots // ROUNDS))
        workers.send((self._target(), stream, layout))
        workers.job.send(layout)
        end = self._all(workers, Slots(layout), stream, batch)
        wrote = workers.finish()
        self.steps.add("read", end.cost)
        self.steps.add("write", wrote.cost)
        return self._done(stream, batch, _way(layout, self.job), end.note)

    def _all(self, workers: Workers, slots: Slots, stream: Stream, batch: int) -> Ended:
        """Compute batches until the reader has ended."""
        end, self.began = None, time.perf_counter()
        while end is None:
            filled, end = _batch(workers, batch, is_live(self.job.source))
            if filled:
                results = self.compute([slots.frame(one.slot, one.frame) for one in filled])
                for one, result in zip(filled, results, strict=True):
                    workers.send(Computed(one, slots.put_result(one.slot, result)))
                self._advance(len(filled), stream)
        return end

    def in_turn(self) -> Done:
        """Read, compute and write each frame in this process."""
        source, encoder, target = Source(self.job.source, self.job.most), None, self.job
        frames = iter(source)
        try:
            while True:
                with self.steps.step("read"):
                    frame, seconds = next(frames, (None, 0.0))
                if frame is None:
                    break
                result = self.compute([frame])[0]
                with self.steps.step("write"):
                    picture = target.paint(frame, result)
                    size = (picture.shape[0], picture.shape[1])
                    encoder = encoder or open_encoder(part_of(target.path), size, source.stream.rate, target.codec)
                    encoder.write(picture, seconds)
                self.written += 1
                self._advance(1, source.stream)
        finally:
            source.close()
            if encoder is not None:
                encoder.close()
        return self._done(source.stream, 1, "one process", source.note)

    def _layout(self, stream: Stream) -> Layout:
        """As many slots as three batches."""
        shape = (stream.height, stream.width, 3)
        return Layout(shape, self.compute.result_shape(shape), max(FEWEST, ROUNDS * self.job.batch))

    def _target(self) -> Target:
        return Target(part_of(self.job.path), self.job.codec, self.job.paint)

    def _advance(self, frames: int, stream: Stream) -> None:
        self.computed += frames
        rate = self.computed / max(time.perf_counter() - self.began, 1e-9)
        count = min(stream.count, self.job.most) if self.job.most and stream.count else stream.count or self.job.most
        total = count if self.computed <= count else self.computed + 1  # a bar that is full would end
        self.progress(self.computed, total, f"video: {rate:.1f} FPS")

    def _done(self, stream: Stream, batch: int, way: str, note: str) -> Done:
        seconds = time.perf_counter() - self.began
        return Done(self.job.path, self.computed, stream, seconds, self.steps, batch, way, note)


def _heard(message: Any) -> Any:
    if isinstance(message, Mistake):
        raise UserError(message.text)
    return message


def _batch(workers: Workers, most: int, live: bool) -> tuple[list[Filled], Ended | None]:
    """The next frames, of a live source only those that are there, and the reader's end where it has come."""
    found: list[Filled] = []
    while len(found) < most and not (live and found and not workers.has_frame()):
        message = _heard(workers.receive())
        if isinstance(message, Ended):
            return found, message
        found.append(message)
    return found, None


def _way(layout: Layout, job: Job) -> str:
    """How frames went between the processes."""
    size = f"{layout.slots} frames of {layout.slot_bytes / 1e6:.1f} MB"
    if not layout.path:
        return f"pipes: {job.memory} has no room for {FEWEST} frames of {layout.slot_bytes / 1e6:.1f} MB"
    full = layout.slots == min(MOST, max(FEWEST, ROUNDS * job.batch))
    return f"shared memory: {size}" + ("" if full else f", as many as {job.memory} has room for")
