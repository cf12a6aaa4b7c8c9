"""Where one process fails, all end: with the first one's line and exit code."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from qat.distributed import launch

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("mistake", 2, ["error: process 1 on", "no picture here"]),
        ("mistake_of_the_first", 2, ["error: no picture there"]),
        ("killed", 137, []),
    ],
)
def test_all_end_with_the_first_failure(
    kind: str, status: int, said: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    start = time.monotonic()
    end = launch([kind], 2, "tests.distributed.failing")
    assert end.status == status
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == bool(said)
    assert all(part in lines[0] for part in said)
    assert end.line.startswith("process 1 was ended by SIGKILL" if kind == "killed" else "")
    assert time.monotonic() - start < 50  # of the 60 that the other process would go on
