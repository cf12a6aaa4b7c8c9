"""Each process of a run is killed at some moment: no process stays, nothing hangs, what was written plays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qat.video.source import Source
from tests.heeding import heeding
from tests.video import computing

pytestmark = pytest.mark.slow
PATIENCE = 20.0  # seconds


class Run:
    """A slow run in a process of its own, which has computed a few frames."""

    def __init__(self, folder: Path) -> None:
        source = computing.write(folder / "in.mp4", 300)
        self.part = folder / "out.part.mp4"
        command = [sys.executable, "-m", computing.__name__, str(source), str(folder / "out.mp4")]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": "."},
            preexec_fn=heeding,
        )
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()) and int(line.split()[1]) < 60:
            pass
        self.children = {name: self._child(name) for name in ("read", "write")}

    def _child(self, function: str) -> int:
        """The process that runs a function of the workers' module."""
        for number in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            if f"import {function}" in Path(f"/proc/{number}/cmdline").read_text():
                return int(number)
        raise AssertionError(f"no {function}")

    def end(self) -> str:
        """What the run says at its end; nobody is left."""
        _, said = self.process.communicate(timeout=PATIENCE)
        until = time.monotonic() + PATIENCE
        while any(_runs(child) for child in self.children.values()):
            assert time.monotonic() < until, "a child outlives the run"
            time.sleep(0.05)
        return said


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def plays(path: Path) -> int:
    return len(list(Source(str(path))))


@pytest.mark.parametrize(
    ("who", "number", "line"),
    [
        ("read", signal.SIGKILL, "the reader was killed (SIGKILL), at frame "),
        ("write", signal.SIGKILL, "the writer was killed (SIGKILL), at frame "),
        ("write", signal.SIGTERM, "the writer was told to stop, at frame "),
    ],
)
def test_a_child_is_killed(who: str, number: int, line: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    os.kill(run.children[who], number)
    said = run.end()
    assert line in said
    assert f"what was written till then plays: {run.part}" in said
    assert run.process.returncode == 1
    assert plays(run.part) >= 20  # a fragment has two seconds


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_the_one_that_computes_is_killed(number: int, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.process.send_signal(number)
    said = run.end()
    if number != signal.SIGINT:
        assert "the process that computes has died" in said
        assert f"frames are kept in {run.part}" in said
    assert not (tmp_path / "out.mp4").exists()
    assert plays(run.part) >= 56  # all that were given to the writer


def test_a_stopped_run_begins_anew(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.process.send_signal(signal.SIGKILL)
    run.end()
    again = subprocess.run(run.process.args, env=os.environ | {"PYTHONPATH": "."}, capture_output=True, check=True)
    assert b"done 300" in again.stdout
    assert plays(tmp_path / "out.mp4") == 300
    assert not run.part.exists()
