"""Tensorboard's event file, written as events come. A disk that takes no more of them doesn't end a training."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from qat.errors import as_user_error

_log = logging.getLogger("qat.training")


class EventFile:
    """A new file in `folder`; events of a killed run from `iteration` on are hidden.

    tensorboardX's own `SummaryWriter` writes in a thread of its own, which a full disk ends, and the training then
    waits for it.
    """

    def __init__(self, folder: Path, iteration: int = 0) -> None:
        self.folder = folder
        with as_user_error(f"can't write tensorboard's events to LOG_DIR's {folder}", "set LOG_DIR to another folder"):
            folder.mkdir(parents=True, exist_ok=True)
            self._file: Any = EventsWriter(str(folder / "events"))
        self._write(Event(step=iteration, file_version="brain.Event:2"))
        self._write(Event(step=iteration, session_log=SessionLog(status=SessionLog.START)))

    def add(self, summary: Any, iteration: int) -> None:
        """Add a summary of tensorboardX's at an iteration."""
        self._write(Event(wall_time=time.time(), step=iteration, summary=summary))

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _write(self, event: Event) -> None:
        if self._file is None:
            return
        try:
            self._file.write_event(event)
            self._file.flush()
        except OSError as error:
            self.close()
            self._file = None
            _log.warning("%s takes no more events (%s): training goes on without", self.folder, error.strerror)
