"""The child processes of a video's run: started, heard, and ended with it, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from qat.runtimes.channel import python_command
from qat.video import workers

PATIENCE = 30.0  # seconds for a writer to end its file
_QUIET = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}  # what goes wrong is said in one line


class Died(Exception):
    """A worker is gone; the text says how."""


class Workers:
    """The reader and the writer, and this process's ends of their pipes."""

    def __init__(self) -> None:
        frames, reader_frames = Pipe(duplex=False)
        reader_job, self.job = Pipe(duplex=False)
        reader_free, writer_free = Pipe(duplex=False)
        writer_work, self.work = Pipe(duplex=False)
        self.status, writer_status = Pipe(duplex=False)
        self.frames = frames
        self.written = 0
        self.reader = _start("read", {"job": reader_job, "frames": reader_frames, "free": reader_free})
        self.writer = _start("write", {"work": writer_work, "status": writer_status, "free": writer_free})

    def close(self) -> None:
        """End both: the reader at once, the writer when its file is whole, or after its patience."""
        self.reader.kill()
        for pipe in (self.work, self.job, self.frames):
            pipe.close()
        try:
            self._drain(PATIENCE)
            self.writer.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.writer.kill()
            self.status.close()
            for process in (self.reader, self.writer):
                process.wait()

    def receive(self) -> Any:
        """Returns the reader's next message; raises Died where either worker is gone before."""
        while True:
            ready = wait([self.frames, self.status])
            if self.status in ready:
                self._hear()
            if self.frames in ready:
                return self._message()

    def has_frame(self) -> bool:
        """Whether a message of the reader is there."""
        return self.frames.poll()

    def send(self, work: Any) -> None:
        """Give the writer work; raises Died where it is gone."""
        try:
            self.work.send(work)
        except OSError as error:
            raise Died(self._said_by_writer()) from error

    def finish(self) -> workers.Ended:
        """Waits for the writer's end of the file; raises Died where it comes to none."""
        self.send("done")
        while True:
            try:
                said = self.status.recv()
            except (EOFError, OSError) as error:
                raise Died(f"the writer {_death(self.writer)}") from error
            if isinstance(said, workers.Ended):
                return said
            self._take(said)

    def _message(self) -> Any:
        try:
            return self.frames.recv()
        except Exception as error:  # the end, or half a message
            raise Died(f"the reader {_death(self.reader)}") from error

    def _hear(self) -> None:
        try:
            said = self.status.recv()
        except Exception as error:
            raise Died(f"the writer {_death(self.writer)}") from error
        self._take(said)

    def _take(self, said: Any) -> None:
        if isinstance(said, workers.Mistake):
            raise Died(said.text)
        if isinstance(said, workers.Ended):
            self.written = said.frames
            raise Died("the writer was told to stop")
        self.written = said

    def _said_by_writer(self) -> str:
        try:
            while True:
                self._hear()
        except Died as error:
            return str(error)

    def _drain(self, patience: float) -> None:
        """Hear the writer's last words."""
        with suppress(Died):
            while self.status.poll(patience):
                self._hear()


def _start(function: str, ends: dict[str, Connection]) -> subprocess.Popen[bytes]:
    """Start a worker with its ends of the pipes, which are closed here."""
    numbers = {name: end.fileno() if end.readable else -end.fileno() for name, end in ends.items()}
    try:
        return subprocess.Popen(
            [*python_command(workers.__name__, function), json.dumps(numbers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=_descriptors(ends),
            env=os.environ | _QUIET,
            start_new_session=True,  # Ctrl-C comes to the one process that decides
        )
    finally:
        for end in ends.values():
            end.close()


def _descriptors(ends: dict[str, Connection]) -> Sequence[int]:
    return [end.fileno() for end in ends.values()]


def _death(process: subprocess.Popen[bytes]) -> str:
    """How a process died.

    >>> _death(subprocess.Popen(["sh", "-c", "exit 3"]))
    'ended (exit code 3)'
    """
    code = process.wait()
    return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended (exit code {code})"
