"""Speed by threads: a row a file and runtime, from child processes; what fails says why."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.compile.perf.report import PerfEntry
from qat.compile.perf.threads import ThreadReport, facts_line, thread_rows, thread_table
from tests.runtimes.tiny import picture, write_onnx


def test_every_runtime_is_timed_and_what_fails_says_why(tmp_path: Path) -> None:
    write_onnx(tmp_path / "a.onnx")
    entries = [PerfEntry("a.onnx", "onnx_float", 5_000_000, ("ort", "mnn"), 2_000_000_000)]
    steps: list[int] = []
    rows = thread_rows(tmp_path, entries, picture(), [1, 2], 2, lambda: steps.append(1))
    assert [(row.runtime, sorted(row.milliseconds)) for row in rows] == [("ort", [1, 2]), ("mnn", [])]
    assert min(rows[0].milliseconds.values()) > 0
    assert rows[1].why.startswith("mnn doesn't take")
    assert len(steps) == 4
    report = ThreadReport("tiny", 7_000_000, rows, {})
    assert facts_line(report).startswith("tiny: 7.00 million parameters, 2.00 GMACs")
    assert (thread_table(report).row_count, report.counts) == (2, (1, 2))
