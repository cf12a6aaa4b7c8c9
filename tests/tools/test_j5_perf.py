"""J5's figures join perf.json; a missing one is one line."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.setattr(sys, "argv", ["j5_perf.py", *arguments])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / "tools" / "j5_perf.py"), run_name="__main__")
    return int(done.value.code or 0)


def test_estimate_and_board_in_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "PIDNet.json").write_text(json.dumps({"summary": {"FPS": 100.0, "latency (ms)": 10.0}}))
    for threads, latency in ((1, 11.0), (8, 60.0)):
        text = f"Thread number is: {threads}\nAverage latency is: {latency} ms\nFrame rate is: 90.5 FPS\n"
        (tmp_path / f"{threads}.log").write_text(text)
    boards = ["--board", str(tmp_path / "1.log"), "--board", str(tmp_path / "8.log")]
    arguments = ["--perf", str(tmp_path / "PIDNet.json"), *boards, "OUTPUT_DIR", str(tmp_path)]
    assert run(monkeypatch, *arguments) == 0
    assert capsys.readouterr().out.count("hrt_model_exec") == 2
    written = json.loads((tmp_path / "streets" / "pidnet_s" / "compile" / "perf.json").read_text())
    assert written["model.hbm"] == {
        "perf_model": {"1": {"latency_ms": 10.0, "fps": 100.0}},
        "hrt_model_exec": {"1": {"latency_ms": 11.0, "fps": 90.5}, "8": {"latency_ms": 60.0, "fps": 90.5}},
    }


def test_nothing_compiled_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "OUTPUT_DIR", str(tmp_path)) == 2
    assert "run make compile, or name it with --perf" in capsys.readouterr().err
