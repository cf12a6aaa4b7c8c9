"""Ctrl-C and SIGTERM while a command starts and runs: one line, the shell's exit code, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from qat.cli.signals import running, starting
from tests.accuracy.runs import ROOT
from tests.faults.conftest import options
from tests.heeding import heeding

SAYS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def started(*words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    code = "import sys; from qat.cli.entry import script; print('started', file=sys.stderr, flush=True); script()"
    command = [sys.executable, "-c", code, *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, preexec_fn=heeding, **pipes)


@pytest.mark.parametrize("block", [starting, running])
@pytest.mark.parametrize("number", SAYS)
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(
    block: Callable[[], AbstractContextManager[None]], number: signal.Signals
) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with block():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_ctrl_c_lets_a_running_command_clean_up_though_the_script_began_without_python_s_handler() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # as qat.cli.entry leaves it
    try:
        with pytest.raises(KeyboardInterrupt), running():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.1])
def test_before_its_handlers_are_in_place_ctrl_c_leaves_no_traceback(seconds: float) -> None:
    child = started("show", "none.onnx")
    assert child.stderr is not None
    assert child.stderr.readline() == "started\n"
    time.sleep(seconds)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert said in ("", "interrupted\n")


@pytest.mark.parametrize("number", SAYS)
@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_while_it_starts(number: signal.Signals, seconds: float, tmp_path: Path) -> None:
    child = started("eval", "OUTPUT_DIR", str(tmp_path), "DATASET.STREETS_VAL", "500", "DATASET.ROOT", str(tmp_path))
    assert child.stderr is not None
    assert child.stderr.readline() == "started\n"
    time.sleep(seconds)
    child.send_signal(number)
    said = child.communicate(timeout=60)[1]
    assert (child.returncode, said.strip().splitlines()[-1]) == (128 + number, SAYS[number])
    assert "Traceback" not in said


@pytest.mark.parametrize("number", SAYS)
def test_while_it_writes(number: signal.Signals, tmp_path: Path) -> None:
    """500 street pictures take a while; none of them is left."""
    child = started("eval", "OUTPUT_DIR", str(tmp_path), "DATASET.STREETS_VAL", "500", "DATASET.ROOT", str(tmp_path))
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".*.part/new/leftImg8bit")) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(number)
    said = child.communicate(timeout=60)[1]
    assert (child.returncode, said.strip().splitlines()[-1]) == (128 + number, SAYS[number])
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_the_process_s_own_handlers_come_back(root: Path) -> None:
    from qat.cli.main import main

    before = {number: signal.getsignal(number) for number in SAYS}
    assert main(["check", *options(root)]) == 0
    assert {number: signal.getsignal(number) for number in SAYS} == before
