"""A command's output as a file: what it says and shows is appended to logs/<command>.log in the run's folder."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from qat.errors import quoted

FOLDER = "logs"  # of the run's folder


class Transcript(logging.Handler):
    """Lines wait until the run's folder is there: a mistake that makes none leaves no file either."""

    def __init__(self, command: str, argv: Sequence[str]) -> None:
        """`argv`: the arguments, which the first line repeats."""
        super().__init__()
        self.command, self.base = command, Path()
        line = quoted(shlex.join(["rtseg-qat", command, *argv]), 1000)
        self.waiting = [f"\n{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z} $ {line}"]

    def begin(self, base: Path) -> None:
        """Write to the run's folder `base` from now on."""
        self.base = base / FOLDER

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the log."""
        self.add(self.format(record))

    def add(self, text: str) -> None:
        """Take what was printed; a disk that is full or read-only is said where results are written, not here."""
        self.waiting.append(text)
        if self.base.name == FOLDER and self.base.parent.is_dir():
            with suppress(OSError):
                self.base.mkdir(exist_ok=True)
                with open(self.base / f"{self.command}.log", "a", encoding="utf-8") as file:
                    file.write("\n".join(self.waiting) + "\n")
                self.waiting.clear()
