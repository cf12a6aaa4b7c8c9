"""Work beside the caller's: in order, one piece at a time, errors where the caller is."""

from __future__ import annotations

import threading

import pytest

from qat.errors import UserError
from qat.evaluation.beside import Beside


def test_a_piece_runs_beside_its_caller_and_the_next_waits() -> None:
    release, done = threading.Event(), []
    with Beside() as beside:
        beside.start(lambda: done.append(release.wait(60)))
        assert done == []
        release.set()
        beside.start(lambda: done.append("second"))
        assert done[0] is True
    assert done == [True, "second"]


def test_off_it_runs_at_once_in_the_callers_thread() -> None:
    threads: list[threading.Thread] = []
    with Beside(on=False) as beside:
        beside.start(lambda: threads.append(threading.current_thread()))
        assert threads == [threading.current_thread()]


def fail() -> None:
    raise UserError("a label holds class 12")


def start_and_wait(beside: Beside) -> None:
    beside.start(fail)
    beside.wait()


@pytest.mark.parametrize("on", [True, False])
def test_an_error_reaches_the_caller_once(on: bool) -> None:
    with Beside(on) as beside:
        with pytest.raises(UserError, match="class 12"):
            start_and_wait(beside)
        beside.wait()


def start_and_fail(done: list[str]) -> None:
    with Beside() as beside:
        beside.start(lambda: done.append("ended"))
        fail()


def test_the_callers_own_error_leaves_nothing_running() -> None:
    done: list[str] = []
    with pytest.raises(UserError):
        start_and_fail(done)
    assert done == ["ended"]
