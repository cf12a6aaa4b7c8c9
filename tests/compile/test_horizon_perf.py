"""The vendor's figures, read as its documentation prints them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

import qat
from qat.compile.horizon_perf import PerfRow, board_row, merged, perf_row, read_board, read_perf, table

PERF = {
    "summary": {
        "BPU OPs per frame (effective)": 12249856,
        "BPU OPs per run (effective)": 3135963136,
        "DDR bytes per frame": 1403592.0,
        "DDR bytes per second": 8032734694,
        "FPS": 5722.98,
        "latency (ms)": 44.7319,
        "layer details": [
            ["layer", "ops", "computing cost (no DDR)", "load/store cost"],
            ["_features_conv", 9633792, "22 us (0.0% of model)", "13 us (0.0% of model)"],
        ],
    }
}
BOARD = """Running condition:
  Thread number is: 8
  Frame count   is: 1000
  Program run time: 4012.774000 ms
Perf result:
  Frame totally latency is: 31874.556641 ms
  Average    latency    is: 31.874557 ms
  Frame      rate       is: 249.204167 FPS
"""
NEWER = """Perf result:
- Frame totally latency is: 183.056 ms
- Average latency is: 0.915 ms
- Frame rate is: 1064.339 FPS
"""


def test_the_compilers_estimate() -> None:
    row = perf_row(PERF, "perf")
    assert row == PerfRow("perf_model", 1, 44.7319, 5722.98, operations=12249856, ddr_bytes=1403592)


def test_the_board() -> None:
    assert board_row(BOARD) == PerfRow("hrt_model_exec", 8, 31.874557, 249.204167)
    assert board_row(NEWER) == PerfRow("hrt_model_exec", 1, 0.915, 1064.339)


def test_the_last_of_several_runs_counts() -> None:
    assert board_row(NEWER + BOARD).threads == 8


def test_files(tmp_path: Path) -> None:
    (tmp_path / "Net.json").write_text(json.dumps(PERF))
    (tmp_path / "board.log").write_text(BOARD)
    assert read_perf(tmp_path / "Net.json").fps == 5722.98
    assert read_board(tmp_path / "board.log").fps == 249.204167


@pytest.mark.parametrize(
    ("perf", "line"),
    [
        ([], "it has no `summary`; give the json of perf_out/"),
        ({"summary": 3}, "it has no `summary`"),
        ({"summary": {"FPS": 3.0}}, r"has no number `latency \(ms\)` in its summary; it has: FPS"),
        ({"summary": {"FPS": "fast", "latency (ms)": 1.0}}, "has no number `FPS`"),
    ],
)
def test_another_json_is_one_line(perf: object, line: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(perf))
    with pytest.raises(qat.UserError, match=rf"other\.json.*{line}"):
        read_perf(tmp_path / "other.json")


def test_another_log_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(qat.UserError, match=r"can't read .*missing\.log: No such file"):
        read_board(tmp_path / "missing.log")
    (tmp_path / "other.log").write_text("Average latency is: 5 ms, then it crashed")
    with pytest.raises(qat.UserError, match=r"other\.log has no average latency and frame rate"):
        read_board(tmp_path / "other.log")


def test_rows_join_the_other_runtimes() -> None:
    before = {"model.onnx": {"ort": {"2": {"median_ms": 5.0}}}, "model.hbm": {"hrt_model_exec": {"1": {"fps": 1.0}}}}
    after = merged(before, "model.hbm", [perf_row(PERF, "perf"), board_row(BOARD)])
    assert after["model.onnx"] == before["model.onnx"]
    assert after["model.hbm"]["hrt_model_exec"]["1"] == {"fps": 1.0}
    assert after["model.hbm"]["hrt_model_exec"]["8"] == {"latency_ms": 31.874557, "fps": 249.204167}
    assert after["model.hbm"]["perf_model"]["1"]["operations"] == 12249856
    assert before["model.hbm"] == {"hrt_model_exec": {"1": {"fps": 1.0}}}


def test_the_table_for_people() -> None:
    console = Console(record=True, width=100)
    console.print(table([perf_row(PERF, "perf"), board_row(BOARD)]))
    shown = console.export_text()
    assert "perf_model" in shown
    assert "249.2" in shown
