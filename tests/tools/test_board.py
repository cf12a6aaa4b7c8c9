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
    monkeypatch.setattr(sys, "argv", ["board.py", *arguments])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / "tools" / "board.py"), run_name="__main__")
    return int(done.value.code or 0)


def test_estimate_and_board_in_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "PIDNet.json").write_text(json.dumps({"summary": {"FPS": 100.0, "latency (ms)": 10.0}}))
    for threads, latency in ((1, 11.0), (8, 60.0)):
        text = f"Thread number is: {threads}\nAverage latency is: {latency} ms\nFrame rate is: 90.5 FPS\n"
        (tmp_path / f"{threads}.log").write_text(text)
    boards = ["--log", str(tmp_path / "1.log"), "--log", str(tmp_path / "8.log")]
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


PROFILE = {"perf_result": {"FPS": 244.2, "average_latency": 4.0}, "running_condition": {"core_id": 0, "thread_num": 1}}
NODES = {
    "model_latency": {
        "Dequantize_HzDequantize": {"avg_time": 0.12, "max_time": 0.3, "min_time": 0.04},
        "BPU_net_subgraph_0": {"avg_time": 3.4, "max_time": 3.8, "min_time": 3.1},
    }
}


def test_times_per_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By the vendor's documented example; nothing needs to be compiled here."""
    log = tmp_path / "profiler.log"
    log.write_text(f"{json.dumps(PROFILE)}\n***\n{json.dumps(NODES)}\n")
    assert run(monkeypatch, "--profile", str(log), "--json", "OUTPUT_DIR", str(tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(node["name"], node["on_bpu"]) for node in found["nodes"]] == [
        ("BPU_net_subgraph_0", True),
        ("Dequantize_HzDequantize", False),
    ]
    assert (found["rows"][0]["fps"], found["rows"][0]["core"]) == (244.2, 0)
    assert run(monkeypatch, "--profile", str(log), "OUTPUT_DIR", str(tmp_path)) == 0
    assert "Dequantize_HzDequantize CPU" in capsys.readouterr().out.replace("  ", " ")


def test_a_profile_cut_short_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "profiler.log"
    log.write_text(f"{json.dumps(PROFILE)}\n***\n{json.dumps(NODES)[:40]}")
    assert run(monkeypatch, "--profile", str(log), "OUTPUT_DIR", str(tmp_path)) == 2
    assert "isn't a whole profile (two JSON objects split by ***): was the program stopped?" in capsys.readouterr().err
    assert not (tmp_path / "streets").exists()


def test_a_log_cut_short_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Thread number is: 1\nAverage latency is: 11.0 ms\nFrame rate is: 90.5 FPS\n"
    whole, cut = tmp_path / "whole.log", tmp_path / "cut.log"
    whole.write_text(text)
    cut.write_text(text[:40])
    assert run(monkeypatch, "--log", str(whole), "OUTPUT_DIR", str(tmp_path)) == 0
    written = tmp_path / "streets" / "pidnet_s" / "compile" / "perf.json"
    before = written.read_bytes()
    capsys.readouterr()
    assert run(monkeypatch, "--log", str(cut), "OUTPUT_DIR", str(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said == f"error: {cut} has no average latency and frame rate; give what `hrt_model_exec perf` printed\n"
    assert written.read_bytes() == before


@pytest.mark.parametrize(("flag", "suffix"), [("--log", "log"), ("--profile", "txt")])
def test_two_runs_with_one_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str, suffix: str
) -> None:
    """perf.json would keep the last of them in silence."""
    texts = {
        "log": "Thread number is: 1\nAverage latency is: 11.0 ms\nFrame rate is: 90.5 FPS\n",
        "txt": f"{json.dumps(PROFILE)}***{json.dumps(NODES)}",
    }
    for name in ("a", "b"):
        (tmp_path / f"{name}.{suffix}").write_text(texts[suffix])
    given = [part for name in ("a", "b") for part in (flag, str(tmp_path / f"{name}.{suffix}"))]
    assert run(monkeypatch, *given, "OUTPUT_DIR", str(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: 2 runs of hrt_model_exec have --thread_num 1, and perf.json keeps one")
    assert not (tmp_path / "streets").exists()


CELLS = "node,avg_time,max_time,min_time\nBPU_net_subgraph_0,3.40,3.8,3.1\nDequantize_HzDequantize,0.12,0.3,0.04\n"


def test_a_profile_as_csv_is_shown_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its columns have no document: no cell is read as anything, and perf.json gets nothing."""
    path = tmp_path / "profiler.csv"
    path.write_text(CELLS)
    assert run(monkeypatch, "--profile", str(path), "--json", "OUTPUT_DIR", str(tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cells"][0]["columns"] == ["node", "avg_time", "max_time", "min_time"]
    assert found["cells"][0]["rows"][0] == ["BPU_net_subgraph_0", "3.40", "3.8", "3.1"]
    assert run(monkeypatch, "--profile", str(path), "OUTPUT_DIR", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "3.40" in shown
    assert "profiler.csv as it stands" in shown
    assert "written to" not in shown
    assert not (tmp_path / "streets" / "pidnet_s" / "compile").exists()


def test_both_profiles_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, cells = tmp_path / "profiler.log", tmp_path / "profiler.csv"
    log.write_text(f"{json.dumps(PROFILE)}\n***\n{json.dumps(NODES)}\n")
    cells.write_text(CELLS)
    both = ("--profile", str(log), "--profile", str(cells))
    assert run(monkeypatch, *both, "--json", "OUTPUT_DIR", str(tmp_path)) == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["rows"]), len(found["nodes"]), len(found["cells"])) == (1, 2, 1)


def test_a_profile_as_csv_cut_short_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, cells = tmp_path / "profiler.log", tmp_path / "profiler.csv"
    log.write_text(f"{json.dumps(PROFILE)}\n***\n{json.dumps(NODES)}\n")
    cells.write_text(CELLS[:-3])
    both = ("--profile", str(log), "--profile", str(cells))
    assert run(monkeypatch, *both, "OUTPUT_DIR", str(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {cells} isn't a whole profiler.csv: its last line has no end")
    assert said.count("\n") == 1
    assert not (tmp_path / "streets" / "pidnet_s" / "compile").exists()
