"""The output of a command: tables and lines for people, or one JSON object."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from qat.cli.transcript import Transcript

PIPE_WIDTH = 160  # of tables where stdout is no terminal


class Output:
    """Prints a command's progress and result. `as_json`: one object on stdout, all else on stderr. `quiet`: nothing.

    `transcript`: takes what is shown too.
    """

    def __init__(self, as_json: bool, quiet: bool = False, transcript: Transcript | None = None) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._transcript = transcript
        self._stdout = sys.stdout
        self._bar: tuple[Progress, TaskID] | None = None
        self._title = ""

    def progress(self, done: int, total: int, text: str) -> None:
        """Show a bar on stderr for each title; `text`: the title, and after a colon the current item."""
        if self.quiet:
            return
        title, _, detail = text.partition(": ")
        if title != self._title:
            self.close()
            self._bar, self._title = _bar(title, total), title
        assert self._bar is not None  # the first title isn't empty
        self._bar[0].update(self._bar[1], completed=done, total=total, text=detail)
        if done >= total:
            self.close()

    def close(self) -> None:
        """End the bar."""
        if self._bar:
            self._bar[0].stop()
        self._bar, self._title = None, ""

    def result(self, value: Any, *shown: Any) -> None:
        """Print the result: `shown`, rich tables and lines, or `value` as JSON."""
        self.close()
        if self.quiet:
            return
        if self._transcript:
            self._transcript.add(_as_text(shown))
        if self.as_json:
            print(json.dumps(to_json(value), indent=2, allow_nan=False), file=self._stdout)
            return
        from rich.console import Console

        console = Console(markup=False, emoji=False, highlight=False)
        wide = Console(width=None if console.is_terminal else PIPE_WIDTH, markup=False, emoji=False, highlight=False)
        for part in shown:
            print(part) if isinstance(part, str) else wide.print(part)


def to_json(value: Any) -> Any:
    """Converts dataclasses, paths, tuples and sets to JSON's types; NaN and infinity, which JSON lacks, become null.

    >>> to_json({"folder": PurePath("a/b"), "stages": ("float",)})
    {'folder': 'a/b', 'stages': ['float']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value))
        return {name: to_json(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {" ".join(key) if isinstance(key, tuple) else str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(to_json(part) for part in value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.as_posix() if isinstance(value, PurePath) else value


def _as_text(shown: Sequence[Any]) -> str:
    """Tables and lines as a file has them."""
    from rich.console import Console

    console = Console(file=StringIO(), width=PIPE_WIDTH, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        for part in shown:
            console.print(part, soft_wrap=isinstance(part, str))
    return captured.get().rstrip()


def _bar(title: str, total: int) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), Left())
    progress = Progress(*columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True))
    progress.start()
    return progress, progress.add_task(title, total=total, text="")
