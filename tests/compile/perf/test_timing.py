from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qat.compile.perf.timing import COUNTED, SETTLING, Failure, Timing, failure_of, measure, summarise, thread_counts
from tests.compile.perf.fakes import PICTURE, Fake


@given(st.lists(st.floats(1e-5, 10), min_size=1, max_size=60))
def test_median_and_p90_are_numpys(seconds: list[float]) -> None:
    timing = summarise(seconds)
    assert timing.median_ms == pytest.approx(1000 * np.median(seconds), abs=1e-5)
    assert timing.p90_ms == pytest.approx(1000 * np.quantile(seconds, 0.9), abs=1e-5)
    assert timing.fps == pytest.approx(1000 / timing.median_ms)


def test_p90_by_hand() -> None:
    assert summarise([i / 1000 for i in range(11)]) == Timing(5.0, 9.0)


def test_sessions_are_timed_in_turn() -> None:
    calls: list[str] = []
    measure({(name, "fake"): Fake(name, calls, 0.001) for name in "ABC"}, PICTURE, rounds=2, warmup=1)
    assert "".join(calls) == "ABCABCABC"


def test_warm_up_does_not_count() -> None:
    turn = SETTLING + COUNTED
    slow_start = Fake("a", [], *[9.0] * 2 * turn, 0.002)
    assert measure({("a", "fake"): slow_start}, PICTURE, rounds=5, warmup=2) == {("a", "fake"): Timing(2.0, 2.0)}


def test_the_first_runs_of_every_turn_do_not_count() -> None:
    turn = [5.0] * SETTLING + [0.003] * COUNTED
    session = Fake("a", [], *turn * 4)
    assert measure({("a", "fake"): session}, PICTURE, rounds=3, warmup=1) == {("a", "fake"): Timing(3.0, 3.0)}


def test_one_that_raises_keeps_its_reason_and_costs_the_others_nothing() -> None:
    calls: list[str] = []
    breaks = Fake("B", calls, *[0.001] * (SETTLING + COUNTED), RuntimeError("out of registers\nat kernel 3"))
    sessions = {("A", "fake"): Fake("A", calls, 0.001), ("B", "fake"): breaks, ("C", "fake"): Fake("C", calls, 0.003)}
    results = measure(sessions, PICTURE, rounds=3, warmup=0)
    assert list(results.values()) == [Timing(1.0, 1.0), Failure("out of registers"), Timing(3.0, 3.0)]
    assert "".join(calls) == "ABCABCAC"  # B has no turn after its failure


def test_a_slow_session_is_reported_slower() -> None:
    class Sleeps(Fake):
        time = Fake.__mro__[1].time  # the real clock

        def _run(self, x: np.ndarray) -> np.ndarray:
            time.sleep(self.seconds[0])
            return x

    sessions = {("slow", "fake"): Sleeps("slow", [], 0.03), ("fast", "fake"): Sleeps("fast", [], 0.001)}
    results = measure(sessions, PICTURE, rounds=3, warmup=1)
    slow, fast = results["slow", "fake"], results["fast", "fake"]
    assert isinstance(slow, Timing)
    assert isinstance(fast, Timing)
    assert slow.median_ms > fast.median_ms


def test_an_artefact_for_raw_pictures_gets_bytes() -> None:
    raw, normalised = Fake("raw", [], 0.001, dtype=np.uint8), Fake("float", [], 0.001, dtype=np.float32)
    measure({("raw", "fake"): raw, ("float", "fake"): normalised}, PICTURE, rounds=1, warmup=0)
    assert (raw.seen, normalised.seen) == ([np.uint8], [np.float32])


def test_progress_is_called_after_every_round() -> None:
    done: list[None] = []
    measure({("a", "fake"): Fake("a", [], 0.001)}, PICTURE, rounds=3, warmup=2, progress=lambda: done.append(None))
    assert len(done) == 5


def test_an_error_without_text_gives_its_type() -> None:
    assert failure_of(MemoryError()) == Failure("MemoryError")


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, (1,)), (2, (1, 2)), (3, (1, 2)), (8, (1, 2, 4, 8)), (9, (1, 2, 4, 8))]
)
def test_threads_up_to_the_cores(cores: int, counts: tuple[int, ...]) -> None:
    assert thread_counts(cores) == counts
